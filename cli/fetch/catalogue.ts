/** The public models that `fetch` can download: where they are, which bytes they must have, and where they are kept. */
import { homedir } from "node:os";
import path from "node:path";

/** A public model, and how to recognise its file. */
export interface CatalogueEntry {
  readonly name: string;
  /** Name of the file in the cache folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly licence: string;
  readonly description: string;
  /** Mirrors, in the order in which they are tried. */
  readonly urls: readonly string[];
}

/** The first URL names a pinned revision, so that the download still works when a `main` branch changes. */
export const catalogue: readonly CatalogueEntry[] = [
  {
    name: "resnet34-v1-7",
    file: "resnet34-v1-7.onnx",
    bytes: 87_302_588,
    sha256: "883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc",
    licence: "Apache-2.0",
    description: "ResNet34 v1 of the ONNX model zoo, ImageNet, 1000 classes, top-1 73.73 %",
    urls: [
      "https://huggingface.co/onnxmodelzoo/resnet34-v1-7/resolve/9019d62c2f74b941ae6ce05de1d4013732703765/resnet34-v1-7.onnx",
      "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/resnet/model/resnet34-v1-7.onnx",
      "https://media.githubusercontent.com/media/onnx/models/refs/heads/main/validated/vision/classification/resnet/model/resnet34-v1-7.onnx",
    ],
  },
];

/** Returns the entry of that name, or undefined. */
export function findInCatalogue(name: string): CatalogueEntry | undefined {
  return catalogue.find((entry) => entry.name === name);
}

/**
 * Returns the folder of downloads, outside the project so that every clone shares it: `$XDG_CACHE_HOME/edge-resnet`, or
 * `~/.cache/edge-resnet` when that variable is unset or relative (XDG Base Directory).
 */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const { XDG_CACHE_HOME: base } = env;
  const root = base && path.isAbsolute(base) ? base : path.join(homedir(), ".cache");
  return path.join(root, "edge-resnet");
}
