/** What a larger image costs: baseline and progressive, and jpeg-js's decoding alone beside it. */

import { fourToThree, type Photo, photo, readPhoto } from "../../pictures/photos.ts";
import { runPeer } from "../child.ts";
import type { BenchContext } from "../context.ts";
import type { DecodeAnswer, DecodeArgument } from "../peers/decode.ts";
import type { Plan } from "../plan.ts";
import { sendEach, warmUp } from "../requests.ts";
import type { Series } from "./series.ts";

type Point = Series["points"][number];

export async function growImageSize(
  context: BenchContext,
  plan: Plan,
  onStep: (step: string, done: number, total: number) => void,
): Promise<Series[]> {
  const sized = (megapixels: number, progressive: boolean) =>
    photo(String(megapixels), { ...fourToThree(megapixels), progressive, scene: "ship" });
  const kinds: { progressive: boolean; points: Point[] }[] = [
    { progressive: false, points: [] },
    { progressive: true, points: [] },
  ];
  const forJpegJs: Photo[] = [];
  const worker = await context.startOurs();
  try {
    const url = `${worker.url}/v1/classify`;
    await warmUp(url, await readPhoto(context.photo("500x375")));
    for (const [i, megapixels] of plan.megapixels.entries()) {
      onStep(`image ${megapixels} MP`, i, plan.megapixels.length);
      for (const { progressive, points } of kinds) {
        const picture = await sized(megapixels, progressive);
        const jpeg = await readPhoto(picture);
        // The first of a kind may meet code that is not compiled yet.
        await sendEach(url, jpeg, 1);
        points.push({ x: megapixels, values: await sendEach(url, jpeg, plan.growthRepeats) });
        if (!progressive && megapixels <= plan.jpegJsMaxMegapixels) forJpegJs.push(picture);
      }
    }
  } finally {
    await worker.close();
  }
  const argument: DecodeArgument = {
    decoder: "jpeg-js",
    preprocessing: context.preprocessing,
    photos: forJpegJs,
    times: 1,
  };
  const { photos } = await runPeer<DecodeAnswer>("decode", argument);
  return [
    { name: "baseline, to answer", unit: "ms", points: kinds[0]!.points },
    { name: "progressive, to answer", unit: "ms", points: kinds[1]!.points },
    {
      name: "jpeg-js, decoding alone",
      unit: "ms",
      points: photos.map(({ name, pixelsMs }) => ({ x: Number(name), values: pixelsMs })),
    },
  ];
}
