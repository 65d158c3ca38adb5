/** What a soak sends, and how it judges the answers. */
import { describe, expect, test } from "vitest";
import { salted } from "../../bench/pictures/photos.ts";
import { exampleImage } from "../support/worker.ts";
import {
  faultOf,
  type TrafficKindName as KindName,
  trafficKindNames as kindNames,
  kindOf,
  member,
  Reference,
  requestsOf,
  requestsPerTurn,
  type Turn,
  turns,
} from "./kinds.ts";
import { claiming } from "./pictures.ts";

function take(seed: number, count: number): Turn[] {
  const source = turns(seed);
  return Array.from({ length: count }, () => source.next().value);
}

describe("turns", () => {
  test("are the same for the same seed, and differ for another", () => {
    expect(take(7, 200)).toEqual(take(7, 200));
    expect(take(8, 200).map(({ kind }) => kind)).not.toEqual(take(7, 200).map(({ kind }) => kind));
  });

  test("draw each kind by its weight, and no picture twice", () => {
    const drawn = take(1, 20_000);
    for (const kind of kindNames) {
      const share = drawn.filter((turn) => turn.kind === kind).length / drawn.length;
      expect(Math.abs(share - kindOf(kind).weight / 100)).toBeLessThan(0.01);
    }
    expect(new Set(drawn.map(({ salt }) => salt)).size).toBe(drawn.length);
    const requests = drawn.reduce((sum, { kind }) => sum + kindOf(kind).requests, 0);
    expect(Math.abs(requests / drawn.length - requestsPerTurn)).toBeLessThan(0.02);
  });

  test("weights add up to a hundred", () => {
    expect(kindNames.reduce((sum, kind) => sum + kindOf(kind).weight, 0)).toBe(100);
  });
});

describe("requests", () => {
  const jpeg = new Uint8Array(Buffer.from("ffd8ffc00011080009000803012200021101031101", "hex"));
  const body = JSON.stringify({ predictions: [{ label: "teapot", score: 1 }] });
  const references = [new Reference(body, JSON.stringify({ embedding: [1, 2] }))];
  const materials = { seed: 1, pictures: { small: [jpeg], large: [jpeg] }, references };
  const of = (kind: KindName, salt: number) => requestsOf({ kind, choice: 5, salt }, materials);

  test.each(kindNames)("%s: as many as its kind has", (kind) => {
    expect(of(kind, 3)).toHaveLength(kindOf(kind).requests);
  });

  test("a new picture is another file each time; coalesced pictures are equal", () => {
    const bodies = (kind: KindName, salt: number) => of(kind, salt).map(({ parts }) => parts);
    expect(bodies("miss", 1)).not.toEqual(bodies("miss", 2));
    const [first, ...others] = bodies("coalesced", 1);
    expect(others).toHaveLength(3);
    for (const other of others) expect(other).toEqual(first);
    expect(bodies("hit", 1)).toEqual(bodies("hit", 2));
  });

  test("a salted file begins as the picture; a claimed size changes its header only", async () => {
    const teapot = await exampleImage("teapot");
    const fresh = salted(teapot, 1, 2);
    expect(fresh.subarray(0, teapot.length)).toEqual(teapot);
    expect(fresh.subarray(teapot.length)).toEqual(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2));
    const claimed = claiming(teapot, 65_000, 65_000);
    const changed = [...claimed.keys()].filter((i) => claimed[i] !== teapot[i]);
    expect(changed.length).toBeGreaterThanOrEqual(2);
    expect(changed.length).toBeLessThanOrEqual(4);
    expect(() => claiming(Uint8Array.of(0xff, 0xd8), 1, 1)).toThrow("no frame header");
  });
});

describe("an answer is wrong", () => {
  const answer = (status: number, document: unknown, headers: Record<string, string> = {}) => ({
    status,
    headers: new Headers(headers),
    text: JSON.stringify(document),
  });

  test.each([
    ["with another status", answer(500, {}), "miss", "answered 500, expected 200"],
    ["with another code", answer(422, { code: "x" }), "broken", 'its code is "x"'],
    ["as a 200 that is not expected", answer(200, {}), "not-found", "answered 200, expected 404"],
    ["as a 503 without Retry-After", answer(503, { code: "overloaded" }), "hit", "without Retry-After"],
    ["as a 503 for another reason", answer(503, { code: "model_unavailable" }), "hit", "model_unavailable"],
  ] as const)("%s", (_, given, kind, fault) => {
    expect(faultOf(given, kindOf(kind))).toContain(fault);
  });

  test("and right otherwise", () => {
    const refusal = answer(503, { code: "overloaded" }, { "Retry-After": "2" });
    expect(faultOf(refusal, kindOf("miss"))).toBeUndefined();
    expect(faultOf(answer(422, { code: "image_undecodable" }), kindOf("broken"))).toBeUndefined();
    expect(faultOf(answer(200, {}), kindOf("miss"))).toBeUndefined();
    expect(faultOf(answer(200, {}), kindOf("miss"), () => "no")).toBe("no");
  });

  test("a missing member is undefined, and so is one of invalid JSON", () => {
    expect(member('{"a":[{"b":1}]}', "a", 0, "b")).toBe(1);
    expect(member('{"a":null}', "a", 0, "b")).toBeUndefined();
    expect(member("oops", "a")).toBeUndefined();
  });

  test("with another score, embedding or part of a form than the picture got alone", () => {
    const document = (score: number) => ({ predictions: [{ label: "teapot", score }] });
    const form = (score: number, status: number) =>
      JSON.stringify({ results: [document(score), { status }, document(score)] });
    const reference = new Reference(JSON.stringify(document(0.5)), JSON.stringify({ embedding: [1, 2] }));
    expect(reference.bodyFault(JSON.stringify(document(0.5)))).toBeUndefined();
    expect(reference.bodyFault(`${JSON.stringify(document(0.5))} `)).toContain("another answer");
    expect(reference.predictionsFault(JSON.stringify(document(0.25)))).toContain("other predictions");
    expect(reference.embeddingFault('{"embedding":[1,2]}')).toBeUndefined();
    expect(reference.embeddingFault('{"embedding":[1,3]}')).toContain("another embedding");
    expect(reference.formFault(form(0.5, 422))).toBeUndefined();
    expect(reference.formFault(form(0.5, 200))).toContain("expected 422");
    expect(reference.formFault(form(0.25, 422))).toContain("other predictions");
  });
});
