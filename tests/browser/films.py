"""What a fake camera sees: films made of sample portraits, as Chromium reads them (YUV4MPEG2)."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

WIDTH, HEIGHT = 640, 480


def portrait(jpeg: bytes) -> Image.Image:
    """A selfie in the middle of the camera's picture, as large as one holds a phone."""
    face = Image.open(io.BytesIO(jpeg)).convert("RGB")
    face = face.resize((HEIGHT * face.width // face.height, HEIGHT))
    ground = face.resize((WIDTH, HEIGHT)).filter(ImageFilter.GaussianBlur(30))
    ground.paste(face, ((WIDTH - face.width) // 2, 0))
    return ground


def dark(image: Image.Image) -> Image.Image:
    """The same by next to no light."""
    return image.point(lambda level: level // 8)


def blurred(image: Image.Image) -> Image.Image:
    """The same through a greasy lens."""
    return image.filter(ImageFilter.GaussianBlur(9))


def backlit(image: Image.Image) -> Image.Image:
    """The same before a bright window."""
    light = Image.new("RGB", image.size, (250, 250, 245))
    shape = Image.new("L", image.size, 0)
    shape.paste(255, (WIDTH // 2 - 115, 60, WIDTH // 2 + 115, HEIGHT - 70))
    return Image.composite(image.point(lambda level: level * 2 // 5), light, shape)


def far(image: Image.Image) -> Image.Image:
    """The same from across the room."""
    small = image.resize((WIDTH * 3 // 5, HEIGHT * 3 // 5))
    ground = image.filter(ImageFilter.GaussianBlur(40))
    ground.paste(small, ((WIDTH - small.width) // 2, (HEIGHT - small.height) // 2))
    return ground


def two(image: Image.Image) -> Image.Image:
    """The same person twice, cheek to cheek, inside the frame of 3 to 4 that the page shows."""
    face = image.crop((WIDTH // 2 - 150, 0, WIDTH // 2 + 150, HEIGHT)).resize((180, 288))
    ground = image.filter(ImageFilter.GaussianBlur(40))
    ground.paste(face, (WIDTH // 2 - 180, 96))
    ground.paste(face, (WIDTH // 2, 96))
    return ground


def wall() -> Image.Image:
    """Nobody at all."""
    return Image.new("RGB", (WIDTH, HEIGHT), (150, 148, 140))


def film(image: Image.Image, path: Path, frames: int = 3) -> Path:
    """Write a film that stands still; Chromium shows it over and over."""
    y, cb, cr = image.convert("YCbCr").split()
    half = (WIDTH // 2, HEIGHT // 2)
    planes = b"".join(np.asarray(each).tobytes() for each in (y, cb.resize(half), cr.resize(half)))
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420\n".encode() + (b"FRAME\n" + planes) * frames)
    return path
