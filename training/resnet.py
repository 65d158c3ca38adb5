"""ResNet34 v1, and its ONNX file in the topology and names of the ONNX model zoo's resnet34-v1-7."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

PREFIX = "resnetv16_"
INPUT = "data"
FEATURES = PREFIX + "pool1_fwd"
FLATTEN = "flatten_306"  # MXNet numbered this node by the nodes before it.
OUTPUT = PREFIX + "dense0_fwd"
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels and blocks of each stage."""

IR_VERSION, OPSET = 3, 8
EPSILON = 1e-5
MOMENTUM = 0.9
"""Share of the running statistics that each batch keeps. PyTorch's `momentum` is the rest."""


class UnfoldConv2d(nn.Conv2d):
    """A convolution as one matrix product. PyTorch's own is up to ten times slower on CPUs for small maps."""

    def forward(self, x: Tensor) -> Tensor:
        height = (x.shape[2] + 2 * self.padding[0] - self.kernel_size[0]) // self.stride[0] + 1
        columns = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        return (self.weight.flatten(1) @ columns).unflatten(2, (height, -1))


class ConvNorm(nn.Module):
    """A convolution without bias, and its batch normalisation.

    `name` has a place for the operator, as in `stage1_{}0`.
    """

    def __init__(
        self, name: str, channels_in: int, channels_out: int, kernel: int, stride: int, *, unfold: bool
    ) -> None:
        super().__init__()
        kind = UnfoldConv2d if unfold else nn.Conv2d
        self.conv_name = PREFIX + name.format("conv")
        self.norm_name = PREFIX + name.format("batchnorm")
        self.conv = kind(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=EPSILON, momentum=1 - MOMENTUM)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield f"{self.conv_name}_weight", self.conv.weight
        yield f"{self.norm_name}_gamma", self.norm.weight
        yield f"{self.norm_name}_beta", self.norm.bias
        yield f"{self.norm_name}_running_mean", self.norm.running_mean
        yield f"{self.norm_name}_running_var", self.norm.running_var


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut. The first block of stages 2 to 4 halves height and width."""

    def __init__(self, stage: int, index: int, channels_in: int, channels: int, *, unfold: bool) -> None:
        super().__init__()
        halves = stage > 1 and index == 0
        # The shortcut of a halving block has number 2, so every later convolution of its stage is one further.
        first = 2 * index + (1 if stage > 1 and index > 0 else 0)
        name = f"stage{stage}_{{}}"
        self.scope, self.index = f"{PREFIX}stage{stage}_", index
        stride = 2 if halves else 1
        self.conv1 = ConvNorm(f"{name}{first}", channels_in, channels, 3, stride, unfold=unfold)
        self.conv2 = ConvNorm(f"{name}{first + 1}", channels, channels, 3, 1, unfold=unfold)
        self.shortcut = ConvNorm(f"{name}2", channels_in, channels, 1, 2, unfold=unfold) if halves else None

    def forward(self, x: Tensor) -> Tensor:
        body = self.conv2(F.relu(self.conv1(x)))
        return F.relu(body + (self.shortcut(x) if self.shortcut else x))


class ResNet34(nn.Module):
    """Logits [N, classes] of images [N, 3, H, W].

    With `unfold`, convolutions with 256 or more output channels are matrix products.
    """

    def __init__(self, classes: int, *, unfold: bool = False) -> None:
        super().__init__()
        self.stem = ConvNorm("{}0", 3, 64, 7, 2, unfold=False)
        self.blocks = nn.Sequential()
        channels_in = 64
        for stage, (channels, count) in enumerate(STAGES, start=1):
            for index in range(count):
                block = Block(stage, index, channels_in, channels, unfold=unfold and channels >= 256)
                self.blocks.append(block)
                channels_in = channels
        self.dense = nn.Linear(channels_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), kernel_size=3, stride=2, padding=1)
        return self.dense(self.blocks(x).mean((2, 3)))

    def tensors(self) -> dict[str, Tensor]:
        """Every weight and running statistic, by its name in the ONNX file."""
        parts = (part for part in self.modules() if isinstance(part, ConvNorm))
        named = dict(pair for part in parts for pair in part.tensors())
        named[f"{PREFIX}dense0_weight"] = self.dense.weight
        named[f"{PREFIX}dense0_bias"] = self.dense.bias
        return named


@torch.no_grad()
def load_onnx(model: ResNet34, path: Path) -> list[str]:
    """Copies the weights of a file in the zoo's names into `model`.

    Returns the names of tensors that keep their values because their shape differs, as the dense layer's does
    when the number of classes differs. Raises ValueError when a tensor is missing.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
    skipped = []
    for name, tensor in model.tensors().items():
        if name not in stored:
            raise ValueError(f"{path} has no tensor {name}; expected a ResNet34 with the names of the zoo's")
        if stored[name].shape == tuple(tensor.shape):
            tensor.copy_(torch.from_numpy(stored[name].copy()))
        else:
            skipped.append(name)
    return skipped


def save_onnx(model: ResNet34, path: Path, size: int) -> None:
    """Writes opset 8 for images [N, 3, size, size], with BatchNorm unfolded as in the zoo's file."""
    onnx.save(to_onnx(model, size), str(path))


def to_onnx(model: ResNet34, size: int) -> onnx.ModelProto:
    """The model as save_onnx() writes it."""
    nodes: list[onnx.NodeProto] = []

    def add(op: str, name: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def conv_norm(part: ConvNorm, x: str) -> str:
        conv, norm = part.conv, part.norm_name
        x = add(
            "Conv",
            f"{part.conv_name}_fwd",
            x,
            f"{part.conv_name}_weight",
            dilations=[1, 1],
            group=1,
            kernel_shape=conv.kernel_size,
            pads=[*conv.padding, *conv.padding],
            strides=conv.stride,
        )
        statistics = (f"{norm}_{name}" for name in ("gamma", "beta", "running_mean", "running_var"))
        settings = {"epsilon": EPSILON, "momentum": MOMENTUM, "spatial": 1}
        return add("BatchNormalization", f"{norm}_fwd", x, *statistics, **settings)

    x = add("Relu", f"{PREFIX}relu0_fwd", conv_norm(model.stem, INPUT))
    x = add("MaxPool", f"{PREFIX}pool0_fwd", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    for block in model.blocks:
        shortcut = conv_norm(block.shortcut, x) if block.shortcut else x
        x = add("Relu", f"{block.scope}relu{block.index}_fwd", conv_norm(block.conv1, x))
        x = add("Add", f"{block.scope}_plus{block.index}", shortcut, conv_norm(block.conv2, x))
        x = add("Relu", f"{block.scope}activation{block.index}", x)
    x = add("Flatten", FLATTEN, add("GlobalAveragePool", FEATURES, x))
    dense = [f"{PREFIX}dense0_weight", f"{PREFIX}dense0_bias"]
    add("Gemm", OUTPUT, x, *dense, alpha=1.0, beta=1.0, transA=0, transB=1)

    tensors = model.tensors()
    values = [
        numpy_helper.from_array(value.detach().float().cpu().contiguous().numpy(), name)
        for name, value in tensors.items()
    ]
    # IR 3 lists initialisers among the inputs.
    shapes = {INPUT: ["N", 3, size, size]} | {name: list(value.shape) for name, value in tensors.items()}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", model.dense.out_features])]
    graph = helper.make_graph(nodes, "resnet34", inputs, outputs, values)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(
        graph, producer_name="edge-resnet training", ir_version=IR_VERSION, opset_imports=[opset]
    )


def node_list(model: onnx.ModelProto) -> list[str]:
    """One line a node, as in test/fixtures/resnet34-v1-7.topology.txt: operator, name, inputs, outputs, attributes."""

    def text(attribute: onnx.AttributeProto) -> str:
        return f"{attribute.name}={helper.get_attribute_value(attribute)}"

    return [
        "\t".join(
            [
                node.op_type,
                node.name,
                ",".join(node.input),
                "->",
                ",".join(node.output),
                " ".join(map(text, sorted(node.attribute, key=lambda attribute: attribute.name))),
            ]
        )
        for node in model.graph.node
    ]
