"""Tiny ImageNet in memory, and the augmentation of batches."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@dataclass(frozen=True)
class Images:
    """`pixels` is uint8 [N, 3, 64, 64] in RGB, `classes` is int64 [N]."""

    pixels: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class TinyImageNet:
    train: Images
    validation: Images
    labels: list[str]
    """`WNID synonyms` of each class, in the order of the WNIDs."""


def read_tiny_imagenet(folder: Path) -> TinyImageNet:
    """Reads the folder that tiny-imagenet-200.zip holds. Raises FileNotFoundError when a part is missing."""
    wnids = sorted((folder / "wnids.txt").read_text().split())
    class_of = {wnid: index for index, wnid in enumerate(wnids)}
    words = dict(line.split("\t", 1) for line in (folder / "words.txt").read_text().splitlines())
    train = [
        (file, class_of[wnid]) for wnid in wnids for file in sorted((folder / "train" / wnid).rglob("*.JPEG"))
    ]
    annotations = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    rows = [line.split("\t") for line in annotations]
    validation = [(folder / "val" / "images" / name, class_of[wnid]) for name, wnid, *_ in rows]
    return TinyImageNet(_read(train), _read(validation), [f"{wnid} {words[wnid]}" for wnid in wnids])


def _read(files: list[tuple[Path, int]]) -> Images:
    # Imported here, so that the dry run needs no torchvision.
    from torchvision.io import ImageReadMode, read_image

    pixels = torch.empty(len(files), 3, 64, 64, dtype=torch.uint8)

    def read(index: int) -> None:
        pixels[index] = read_image(str(files[index][0]), ImageReadMode.RGB)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return Images(pixels, torch.tensor([label for _, label in files]))


def random_images(count: int, classes: int, seed: int) -> Images:
    """Noise around a colour that depends on the class, so that a network can learn it."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    hues = torch.arange(classes) / classes * 2 * torch.pi
    colours = 128 + 90 * torch.stack([torch.cos(hues + shift) for shift in (0.0, 2.1, 4.2)], dim=1)
    noise = 30 * torch.randn(count, 3, 64, 64, generator=generator)
    pixels = (colours[labels].view(count, 3, 1, 1) + noise).clamp(0, 255).byte()
    return Images(pixels, labels)


def normalise(pixels: Tensor, size: int) -> Tensor:
    """The serving preprocessing: resize (bilinear), scale to 0..1, normalise."""
    resized = F.interpolate(pixels.float(), size=(size, size), mode="bilinear", align_corners=False)
    return (resized / 255 - MEAN.to(pixels.device)) / STD.to(pixels.device)


def augment(pixels: Tensor, size: int, strength: float) -> Tensor:
    """Distorts uint8 images at random and normalises them.

    `strength` 1 is full distortion, 0 only flips.
    """
    images = _affine_crop(pixels.float() / 255, size, strength)
    if random.random() < 0.25 * strength:
        images = _sharpen(images, random.uniform(0.3, 1.0))
    images = _jitter_colour(images, strength)
    return (images - MEAN.to(images.device)) / STD.to(images.device)


def _affine_crop(images: Tensor, size: int, strength: float) -> Tensor:
    """Crops 62% to 100% of each side, changes the aspect by up to 20%, shifts and flips."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(len(images), device=images.device).uniform_(low, high)

    scale = 1 - 0.38 * strength * uniform(0, 1)
    stretch = torch.exp(strength * uniform(-0.1, 0.1))
    shift = 1 - scale + 0.1 * strength  # A little beyond the border, which is reflected.
    flip = torch.where(uniform(-1, 1) < 0, -1.0, 1.0)
    transform = torch.zeros(len(images), 2, 3, device=images.device)
    transform[:, 0, 0] = scale * stretch * flip
    transform[:, 1, 1] = scale / stretch
    transform[:, 0, 2] = shift * uniform(-1, 1)
    transform[:, 1, 2] = shift * uniform(-1, 1)
    grid = F.affine_grid(transform, [len(images), 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _sharpen(images: Tensor, amount: float) -> Tensor:
    """Unsharp mask. Tiny ImageNet is softer than a photograph that was resized once."""
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel_size=3, stride=1)
    return (images + amount * (images - blurred)).clamp(0, 1)


def _jitter_colour(images: Tensor, strength: float) -> Tensor:
    """Changes brightness by up to 25%, contrast and saturation by up to 30%."""

    def factor(most: float) -> Tensor:
        change = torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(-most, most)
        return 1 + strength * change

    images = images * factor(0.25)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factor(0.3)
    grey = images.mean(1, keepdim=True)
    return (grey + (images - grey) * factor(0.3)).clamp(0, 1)
