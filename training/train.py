#!/usr/bin/env python3
"""Trains ResNet34 on Tiny ImageNet and writes an ONNX file that `npm run model -- pack` takes.

    python3 training/train.py tiny-imagenet-200 --out resnet34-tiny-imagenet.onnx
    python3 training/train.py --dry-run
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet import ResNet34, load_onnx, node_list, save_onnx
from tiny_imagenet import Images, TinyImageNet, augment, normalise, random_images, read_tiny_imagenet

SIZE = 96
"""Height and width that the finished model takes."""
PHASES = ((0.35, 48), (0.7, 64), (1.0, SIZE))
"""Share of the work after which a phase ends, and the size of its images."""
WARM_UP = 0.08
"""Share of the work during which the learning rate rises."""
MILD_AFTER = 0.7
"""Share of the work after which augmentation is weaker."""
MILD_STRENGTH = 0.5
ZOO_NODES = Path(__file__).parent.parent / "test" / "fixtures" / "resnet34-v1-7.topology.txt"


@dataclass(frozen=True)
class Step:
    size: int
    progress: float
    """Share of the work that is done when the step begins."""


def plan(epochs: float, images: int, batch: int) -> list[Step]:
    """Divides the epochs among the phases. The work of an image is its number of pixels."""
    shares = [end - start for (end, _), start in zip(PHASES, (0.0, *(end for end, _ in PHASES)))]
    images_per_work = [share / size**2 for share, (_, size) in zip(shares, PHASES)]
    work = epochs * images / sum(images_per_work)
    steps = [round(work * rate / batch) for rate in images_per_work]
    sizes = [size for count, (_, size) in zip(steps, PHASES) for _ in range(count)]
    total, done, result = sum(size**2 for size in sizes), 0, []
    for size in sizes:
        result.append(Step(size, done / total))
        done += size**2
    return result


def learning_rate(progress: float, peak: float) -> float:
    """Rises linearly from 0 to the peak, then falls linearly to 0."""
    return peak * min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))


def batches(count: int, batch: int) -> Iterator[Tensor]:
    """Endless batches of indices. Each image comes once an epoch; the incomplete last batch is left out."""
    while True:
        for indices in torch.randperm(count).split(batch):
            if len(indices) == batch:
                yield indices


def make_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """Decays weights only: the parameters with more than one dimension."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)


class Trainer:
    def __init__(self, model: ResNet34, options: argparse.Namespace) -> None:
        self.model, self.options = model, options
        self.device = torch.device(options.device)
        self.model.to(self.device, memory_format=torch.channels_last)

    def train(self, data: TinyImageNet) -> list[float]:
        """Trains, and after each epoch prints the accuracy and writes the file. Returns the loss of each step."""
        options = self.options
        steps = plan(options.epochs, len(data.train), options.batch)
        steps_per_epoch = len(data.train) // options.batch
        optimizer = make_optimizer(self.model, options.weight_decay)
        progress, losses = Progress(steps), []
        for number, (step, indices) in enumerate(
            zip(steps, batches(len(data.train), options.batch)), start=1
        ):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step.progress, options.learning_rate)
            losses.append(self._step(optimizer, data.train, indices, step))
            progress.show(number, losses)
            if number % steps_per_epoch == 0 or number == len(steps):
                top1, top5 = self.evaluate(data.validation, limit=None if number == len(steps) else 2000)
                print(
                    f"\nepoch {number / steps_per_epoch:.1f}: top-1 {top1:.2%}, top-5 {top5:.2%}", flush=True
                )
                save_onnx(self.model, options.out, SIZE)
        return losses

    def _step(self, optimizer: torch.optim.Optimizer, images: Images, indices: Tensor, step: Step) -> float:
        self.model.train()
        strength = 1.0 if step.progress < MILD_AFTER else MILD_STRENGTH
        pixels = augment(images.pixels[indices].to(self.device), step.size, strength)
        with self._autocast():
            logits = self.model(pixels.contiguous(memory_format=torch.channels_last))
        classes = images.classes[indices].to(self.device)
        loss = F.cross_entropy(logits.float(), classes, label_smoothing=self.options.label_smoothing)
        if not math.isfinite(loss.item()):
            raise SystemExit(f"The loss is {loss.item()}; try a lower --learning-rate, or --float32.")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.options.clip)
        optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, images: Images, limit: int | None = None) -> tuple[float, float]:
        """Top-1 and top-5 accuracy on the first `limit` images at the final size."""
        self.model.eval()
        count = min(len(images), limit or len(images))
        top1 = top5 = 0
        for indices in torch.arange(count).split(self.options.batch):
            with self._autocast():
                logits = self.model(normalise(images.pixels[indices].to(self.device), SIZE))
            best = logits.float().topk(min(5, logits.shape[1])).indices.cpu()
            hits = best == images.classes[indices].unsqueeze(1)
            top1 += int(hits[:, 0].sum())
            top5 += int(hits.any(1).sum())
        return top1 / count, top5 / count

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=not self.options.float32)


class Progress:
    """One line that is rewritten, or a line every 100 steps where the output is a file."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps, self.start = steps, time.monotonic()
        self.terminal = sys.stdout.isatty()

    def show(self, number: int, losses: list[float]) -> None:
        if not self.terminal and number % 100 and number < len(self.steps):
            return
        done = self.steps[number].progress if number < len(self.steps) else 1.0
        seconds = time.monotonic() - self.start
        remaining = seconds * (1 - done) / done / 60
        recent = losses[-100:]
        line = (
            f"step {number}/{len(self.steps)}  {self.steps[number - 1].size} px  "
            f"loss {sum(recent) / len(recent):.3f}  {remaining:.0f} minutes left"
        )
        print(f"\r{line:<70}" if self.terminal else line, end="" if self.terminal else "\n", flush=True)


def dry_run(options: argparse.Namespace) -> None:
    """Trains on random images and checks the plan, the loss and the ONNX file. Takes about a minute on a CPU."""
    classes = 8
    options.epochs, options.batch = 6.0, 32
    data = TinyImageNet(
        random_images(256, classes, seed=1),
        random_images(64, classes, seed=2),
        [f"class {index}" for index in range(classes)],
    )
    check_plan()
    with tempfile.TemporaryDirectory() as folder:
        options.out = Path(folder) / "dry-run.onnx"
        trainer = Trainer(ResNet34(classes, unfold=options.unfold), options)
        losses = trainer.train(data)
        first, last = sum(losses[:4]) / 4, sum(losses[-4:]) / 4
        expect(last < first, f"the loss falls ({first:.2f} to {last:.2f})")
        check_onnx(trainer, options.out, data.validation)
    print("The dry run passed.")


def check_plan() -> None:
    steps = plan(epochs=20, images=100_000, batch=250)
    expect(abs(len(steps) - 8000) <= 2, "the plan has the epochs that were asked for")
    work = [sum(step.size**2 for step in steps if step.size == size) for _, size in PHASES]
    shares = [round(part / sum(work), 2) for part in work]
    expect(shares == [0.35, 0.35, 0.3], "each phase has its share of the work")
    rates = [learning_rate(step.progress, 0.2) for step in steps]
    expect(
        rates[0] == 0 and 0.199 < max(rates) <= 0.2 and rates[-1] < 1e-3, "the learning rate rises and falls"
    )


def check_onnx(trainer: Trainer, file: Path, images: Images) -> None:
    import onnx

    written = onnx.load(str(file))
    onnx.checker.check_model(written)
    expect(node_list(written) == ZOO_NODES.read_text().splitlines(), "the nodes are those of resnet34-v1-7")
    again = ResNet34(trainer.model.dense.out_features)
    expect(load_onnx(again, file) == [], "every tensor is read back")
    inputs = normalise(images.pixels[:4], SIZE)
    with torch.no_grad():
        expected = trainer.model.cpu().eval()(inputs)
        expect(torch.allclose(again.eval()(inputs), expected, atol=1e-3), "the file gives the same logits")
    try:
        import onnxruntime
    except ImportError:
        print("skipped: onnxruntime is not installed, so nothing ran the ONNX file")
        return
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, {"data": inputs.numpy()})
    expect(
        torch.allclose(torch.from_numpy(actual), expected, atol=1e-3), "ONNX Runtime gives the same logits"
    )


def expect(true: bool, claim: str) -> None:
    if not true:
        raise SystemExit(f"failed: {claim}")
    print(f"ok: {claim}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train ResNet34 on Tiny ImageNet and write it as ONNX.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder tiny-imagenet-200, with train, val and wnids.txt"
    )
    parser.add_argument("--out", type=Path, default=Path("resnet34-tiny-imagenet.onnx"), help="file to write")
    parser.add_argument("--start", type=Path, help="ONNX file of a ResNet34 whose weights to start from")
    parser.add_argument("--evaluate", action="store_true", help="only measure the accuracy of --start")
    parser.add_argument("--dry-run", action="store_true", help="train on random images and check the result")
    parser.add_argument("--epochs", type=float, default=21.6)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=0.2, help="at its peak")
    parser.add_argument(
        "--weight-decay", type=float, default=3e-4, help="of weights; biases and norms have none"
    )
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--clip", type=float, default=5.0, help="largest norm of the gradient")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--float32", action="store_true", help="train in float32 instead of bfloat16")
    parser.add_argument(
        "--unfold", action="store_true", help="wide convolutions as matrix products (for CPUs)"
    )
    options = parser.parse_args()
    if options.data is None and not options.dry_run:
        parser.error("name the folder of Tiny ImageNet, or use --dry-run")
    if options.evaluate and options.start is None:
        parser.error("--evaluate needs --start FILE")
    return options


def main() -> None:
    options = parse_arguments()
    random.seed(options.seed)
    torch.manual_seed(options.seed)
    if options.dry_run:
        dry_run(options)
        return
    data = read_tiny_imagenet(options.data)
    print(
        f"{len(data.train)} training and {len(data.validation)} validation images, {len(data.labels)} classes"
    )
    model = ResNet34(len(data.labels), unfold=options.unfold)
    if options.start:
        skipped = load_onnx(model, options.start)
        print(f"starting from {options.start}" + (f"; new: {', '.join(skipped)}" if skipped else ""))
    trainer = Trainer(model, options)
    if options.evaluate:
        top1, top5 = trainer.evaluate(data.validation)
        print(f"top-1 {top1:.2%}, top-5 {top5:.2%}")
        return
    trainer.train(data)
    labels = options.out.with_suffix(".labels.txt")
    labels.write_text("".join(f"{label}\n" for label in data.labels))
    print(f"wrote {options.out} and {labels}")


if __name__ == "__main__":
    main()
