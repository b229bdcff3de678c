"""Make the two ONNX graphs run in OpenVINO: free shapes, plain weights, raw 8-bit RGB pictures as input."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13
from openvino.frontend import NodeContext
from openvino.frontend.onnx import ConversionExtension
from openvino.passes import ConstantFolding, Manager
from openvino.preprocess import PrePostProcessor

Precision = Literal["f32", "bf16", "int8"]
"""The least exact arithmetic that may be used, where the CPU computes it natively."""

Ranges = Mapping[str, tuple[float, float]]
"""What values a layer sees, by the layer's name: from .. to."""

LAYERS: Final = ("Convolution", "GroupConvolution", "MatMul")
_NO_OVERFLOW: Final = {"avx512_vnni", "avx_vnni"}  # Older CPUs add up pairs of 8-bit products in 16 bits, which clips.


def compile_graph(
    onnx: bytes,
    shape_nchw: Sequence[int],
    *,
    channels: Literal["rgb", "bgr"],
    precision: Precision,
    threads: int,
    mean: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
    ranges: Ranges | None = None,
) -> ov.CompiledModel:
    """Compile one model for the CPU.

    Args:
        onnx: the file's bytes.
        shape_nchw: the input's shape; -1 leaves a side free.
        channels: the order that the graph was trained on. The compiled model always takes (n, h, w, 3) uint8 RGB.
        precision: of the arithmetic.
        threads: how many calls may run at once; each runs on one core.
        mean, scale: one number a channel, in the graph's order: it is fed (pixel - mean) / scale.
        ranges: of every layer; without them there is no int8.
    """
    core = ov.Core()
    model = read_graph(onnx, shape_nchw)
    if precision == "int8" and ranges is not None and _multiplies_int8():
        _quantise(model, ranges)
    with_pixels = _fed_with_pixels(model, channels=channels, mean=mean, scale=scale)
    native_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return core.compile_model(
        with_pixels,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if precision != "f32" and native_bf16 else "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            # Pinning would put the streams of several worker processes on the same cores.
            "ENABLE_CPU_PINNING": False,
        },
    )


def read_graph(onnx: bytes, shape_nchw: Sequence[int]) -> ov.Model:
    """The model with plain weights and the given input shape."""
    core = ov.Core()
    core.add_extension(ConversionExtension("DequantizeLinear", _fold_dequantize))
    model = core.read_model(onnx)
    for parameter in list(model.get_parameters()):
        # The files list their quantised weights as graph inputs as well; after folding nothing reads those.
        if not parameter.output(0).get_target_inputs():
            model.remove_parameter(parameter)
    model.reshape(ov.PartialShape(list(shape_nchw)))
    return model


def _fed_with_pixels(
    model: ov.Model, *, channels: str, mean: Sequence[float] | None, scale: Sequence[float] | None
) -> ov.Model:
    pixels = PrePostProcessor(model)
    pixels.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    pixels.input().model().set_layout(ov.Layout("NCHW"))
    if channels == "bgr":
        pixels.input().preprocess().reverse_channels()
    if mean is not None and scale is not None:
        pixels.input().preprocess().convert_element_type(ov.Type.f32).mean(list(mean)).scale(list(scale))
    return pixels.build()


def _multiplies_int8() -> bool:
    """Whether the CPU multiplies 8-bit numbers into 32-bit sums, so that nothing clips."""
    with suppress(OSError):
        words = Path("/proc/cpuinfo").read_text().split()
        return not _NO_OVERFLOW.isdisjoint(words)
    return False


def _quantise(model: ov.Model, ranges: Ranges) -> None:
    """Have every layer multiply 8-bit numbers: what it sees in the given range, its weights each channel for itself.

    OpenVINO runs a layer in int8 when both of its inputs pass through a FakeQuantize; the compressing tools of its
    family put the same nodes there, but need gigabytes of packages to do it.
    """
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    seen: dict[tuple[str, int], ov.Output] = {}
    for layer in model.get_ordered_ops():
        if layer.get_type_name() not in LAYERS:
            continue
        source = layer.input(0).get_source_output()
        key = source.get_node().get_friendly_name(), source.get_index()
        if key not in seen:
            seen[key] = _rounded(source, *ranges[layer.get_friendly_name()])
        layer.input(0).replace_source_output(seen[key])
        weights = layer.input(1).get_source_output()
        layer.input(1).replace_source_output(_rounded_weights(weights, layer))
    model.validate_nodes_and_infer_types()


def _rounded(values: ov.Output, low: float, high: float) -> ov.Output:
    if low >= 0:
        least, most = np.float32(0), np.float32(high)
    else:  # a zero point would have to be subtracted again in every product
        most = np.float32(max(-low, high) * 127 / 128)
        least = np.float32(-max(-low, high))
    return opset13.fake_quantize(values, least, most, least, most, 256).output(0)


def _rounded_weights(weights: ov.Output, layer: ov.Node) -> ov.Output:
    values = np.asarray(weights.get_node().get_data(), np.float32)
    if layer.get_type_name() == "MatMul":
        kept = 0 if layer.get_attributes()["transpose_b"] else 1
        others = tuple(axis for axis in range(values.ndim) if axis != kept)
    else:  # (out, in, h, w), or (group, out, in, h, w)
        others = tuple(range(1 if layer.get_type_name() == "Convolution" else 2, values.ndim))
    most = np.maximum(np.abs(values).max(axis=others, keepdims=True), np.float32(1e-8))
    return opset13.fake_quantize(weights, -most, most, -most, most, 255).output(0)


def observed_ranges(model: ov.Model, batches: Sequence[NDArray[Any]], *, percentile: float = 99.99) -> dict[str, Any]:
    """What every layer sees, without the rarest values, which would cost all others their precision.

    Args:
        model: from ``read_graph``, fed with (n, 3, h, w) float32 in the graph's own order of channels.
        batches: pictures like those of use.
        percentile: of the values of a batch; the mean over the batches counts.
    """
    layers = [op for op in model.get_ordered_ops() if op.get_type_name() in LAYERS]
    taps = [opset13.result(layer.input(0).get_source_output()) for layer in layers]
    tapped = ov.Model(taps, model.get_parameters())
    compiled = ov.Core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    limits = np.zeros((len(layers), 2))
    for batch in batches:
        answers = compiled([batch])
        limits += [np.percentile(answers[place], [100 - percentile, percentile]) for place in range(len(layers))]
    limits /= len(batches)
    return {
        layer.get_friendly_name(): (round(float(low), 4), round(float(high), 4))
        for layer, (low, high) in zip(layers, limits, strict=True)
    }


def _fold_dequantize(node: NodeContext) -> list[ov.Output]:
    """Turn a block-wise DequantizeLinear over constants into the float32 weights that it stands for.

    OpenVINO's own converter refuses block quantisation of one-dimensional tensors (SFace's last bias), and would
    leave the arithmetic in the graph for the others.
    """
    quantised, scale, zero_point = (node.get_input(n).get_node().get_data() for n in range(3))
    axis, block = node.get_attribute("axis", 1), node.get_attribute("block_size", 0)

    def spread(values: NDArray[np.generic]) -> NDArray[np.float32]:
        # The last block may be longer than what is left of the axis.
        wide = np.repeat(values, block, axis=axis) if block else values
        return np.take(wide, range(quantised.shape[axis]), axis=axis).astype(np.float32)

    weights = (quantised.astype(np.float32) - spread(zero_point)) * spread(scale)
    return [opset13.constant(weights).output(0)]
