/** Chooses the images that set a pack's ranges, and other images on which it is compared with its source. */
import type { Preprocessing } from "../../src/model/manifest.ts";
import { type ImageSet, imagesFromFolder, joined, spread, subset, syntheticImages } from "./images.ts";

/** More photographs hardly change a range, and each costs a forward pass in float32. */
const defaultCalibrationImages = 500;
/** Below this, single photographs decide the ranges, so synthetic pictures are mixed in. */
export const enoughPhotographs = 100;
/** Synthetic pictures that calibrate without photographs, or beside few. */
const syntheticCalibrationImages = 128;
/** Share of the calibration folder that is held out for the comparison. */
export const heldOutShare = 0.2;
const maxHeldOutImages = 200;
/** Most images of a labelled folder: as many as show half a point of accuracy. */
const maxEvaluationImages = 1000;

/** Where the images come from. */
export interface ImageFolders {
  /** Folder of photographs to calibrate on. Default: synthetic pictures. */
  calibrateDir?: string | undefined;
  /** The largest number of photographs to calibrate on. */
  calibrationImages?: number | undefined;
  /** Folder of photographs for the comparison. Default: some of calibrateDir, which then do not calibrate. */
  evaluateDir?: string | undefined;
}

/** The two sets have no image in common. */
export interface ChosenImages {
  calibration: ImageSet;
  evaluation: ImageSet;
  /** What calibrates, for the manifest. */
  composition: { kind: ImageSet["kind"]; images: number; synthetic?: number };
}

/**
 * Chooses both sets.
 * @throws CommandError when a folder cannot be read or has no JPEG file.
 */
export async function chooseImages(
  { calibrateDir, calibrationImages = defaultCalibrationImages, evaluateDir }: ImageFolders,
  preprocessing: Preprocessing,
): Promise<ChosenImages> {
  const synthetic = syntheticImages(syntheticCalibrationImages, preprocessing);
  const otherSynthetic = syntheticImages(syntheticCalibrationImages, preprocessing, synthetic.count);
  const labelled =
    evaluateDir === undefined
      ? null
      : spread(await imagesFromFolder(evaluateDir, preprocessing), maxEvaluationImages);
  if (calibrateDir === undefined) {
    return {
      calibration: synthetic,
      evaluation: labelled ?? otherSynthetic,
      composition: { kind: "synthetic", images: synthetic.count },
    };
  }
  const all = await imagesFromFolder(calibrateDir, preprocessing);
  const isSameFolder = evaluateDir === calibrateDir;
  const { kept, heldOut } = labelled && !isSameFolder ? { kept: all, heldOut: labelled } : holdOut(all);
  const photographs = spread(kept, calibrationImages);
  const isEnough = photographs.count >= enoughPhotographs;
  return {
    calibration: isEnough ? photographs : joined(photographs, synthetic),
    // A single photograph calibrates: none is left to compare on.
    evaluation: heldOut.count > 0 ? heldOut : otherSynthetic,
    composition: {
      kind: "photographs",
      images: photographs.count,
      ...(isEnough ? {} : { synthetic: synthetic.count }),
    },
  };
}

/** Holds out every fifth image, and fewer of many: in a folder sorted by class, images of each class. */
function holdOut(images: ImageSet): { kept: ImageSet; heldOut: ImageSet } {
  const share = Math.min(heldOutShare, maxHeldOutImages / images.count);
  const isHeldOut = (index: number) => Math.floor((index + 1) * share) > Math.floor(index * share);
  const indices = Array.from({ length: images.count }, (_, index) => index);
  const heldOut = indices.filter(isHeldOut);
  // Of two to four photographs, the last.
  if (heldOut.length === 0 && images.count > 1) heldOut.push(images.count - 1);
  const kept = indices.filter((index) => !heldOut.includes(index));
  return { kept: subset(images, kept), heldOut: subset(images, heldOut) };
}
