"""Make the two ONNX graphs run in OpenVINO: free shapes, plain weights, raw 8-bit RGB pictures as input."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13
from openvino.frontend import NodeContext
from openvino.frontend.onnx import ConversionExtension
from openvino.preprocess import PrePostProcessor

Precision = Literal["f32", "bf16"]


def compile_graph(
    onnx: bytes,
    shape_nchw: Sequence[int],
    *,
    channels: Literal["rgb", "bgr"],
    precision: Precision,
    threads: int,
    mean: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
) -> ov.CompiledModel:
    """Compile one model for the CPU.

    Args:
        onnx: the file's bytes.
        shape_nchw: the input's shape; -1 leaves a side free.
        channels: the order that the graph was trained on. The compiled model always takes (n, h, w, 3) uint8 RGB.
        precision: of the arithmetic. bf16 is used only where the CPU computes it natively.
        threads: how many calls may run at once; each runs on one core.
        mean, scale: one number a channel, in the graph's order: it is fed (pixel - mean) / scale.
    """
    core = ov.Core()
    core.add_extension(ConversionExtension("DequantizeLinear", _fold_dequantize))
    model = core.read_model(onnx)
    for parameter in list(model.get_parameters()):
        # The files list their quantised weights as graph inputs as well; after folding nothing reads those.
        if not parameter.output(0).get_target_inputs():
            model.remove_parameter(parameter)
    model.reshape(ov.PartialShape(list(shape_nchw)))
    pixels = PrePostProcessor(model)
    pixels.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    pixels.input().model().set_layout(ov.Layout("NCHW"))
    if channels == "bgr":
        pixels.input().preprocess().reverse_channels()
    if mean is not None and scale is not None:
        pixels.input().preprocess().convert_element_type(ov.Type.f32).mean(list(mean)).scale(list(scale))
    native_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return core.compile_model(
        pixels.build(),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" and native_bf16 else "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            # Pinning would put the streams of several worker processes on the same cores.
            "ENABLE_CPU_PINNING": False,
        },
    )


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
