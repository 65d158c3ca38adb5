/** More requests than the isolate can handle: 503 at once, and answers as soon as memory is free. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { largeForm } from "../soak/attacks.ts";
import { send } from "../soak/client.ts";
import { readLargePhoto } from "../soak/pictures.ts";
import { expectNothingHeld } from "../support/measured-worker.ts";
import { exampleImage, TestWorker } from "../support/worker.ts";

const MiB = 2 ** 20;
let worker: TestWorker;
let teapot: Uint8Array;
let ladybug: Uint8Array;
const sockets: Socket[] = [];

beforeAll(async () => {
  [teapot, ladybug] = await Promise.all([exampleImage("teapot"), exampleImage("ladybug")]);
  worker = await TestWorker.start();
  expect((await worker.classify(teapot)).status).toBe(200);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await worker?.close();
});

/** Sends the head of a request and the beginning of its body. Ignores the response. */
function begin(announced: number, sent = new Uint8Array(0)): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(worker.url.port), worker.url.hostname, () => {
      socket.write(`POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${announced}\r\n\r\n`);
      socket.write(sent);
      sockets.push(socket);
      resolve(socket);
    });
    socket.once("error", reject);
    socket.on("data", () => {});
  });
}

/** Sends the rest of a body at a pace, until the socket closes. */
function drip(socket: Socket, bytes: number, bytesPerSecond: number): void {
  let left = bytes;
  const perTick = Math.ceil(bytesPerSecond / 10);
  const timer = setInterval(() => {
    socket.write(new Uint8Array(Math.min(left, perTick)));
    left -= perTick;
    if (left <= 0) clearInterval(timer);
  }, 100);
  socket.on("error", () => {});
  socket.on("close", () => clearInterval(timer));
}

/** Returns a picture as a file of `bytes` that is in no cache. */
function fresh(bytes: number): Uint8Array {
  const file = new Uint8Array(bytes);
  file.set(ladybug);
  crypto.getRandomValues(file.subarray(ladybug.length, ladybug.length + 16));
  return file;
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 300));

test("with 50 slow clients and a large upload, all small images are answered", async () => {
  const upload = await begin(16 * MiB);
  drip(upload, 16 * MiB, 200 * 1024);
  for (let i = 0; i < 50; i++) drip(await begin(2_000_000), 2_000_000, 3000);
  await soon();
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const answers = await Promise.all(Array.from({ length: 5 }, () => worker.classify(fresh(86_000))));
    statuses.push(...answers.map(({ status }) => status));
  }
  expect(statuses).toEqual(new Array(20).fill(200));
  // Concurrent ones wait for each other, but not for the slow ones.
  const atOnce = await Promise.all(Array.from({ length: 20 }, () => worker.classify(fresh(86_000))));
  expect(atOnce.map(({ status }) => status)).toEqual(new Array(20).fill(200));
  for (const socket of sockets.splice(0)) socket.destroy();
  await expectNothingHeld(worker.url);
});

test("while one upload uses the memory for large images, 64 wait unread, the next is refused at once, and small ones are answered", async () => {
  await expect.poll(async () => (await worker.classify(fresh(15 * MiB))).status).toBe(200);
  const upload = await begin(16 * MiB, new Uint8Array(15.5 * MiB));
  await expect.poll(() => upload.writableLength).toBe(0);
  await soon();
  for (let i = 0; i < 64; i++) await begin(2 * MiB);
  await soon();
  const refused = await worker.classify(fresh(2 * MiB));
  expect(refused.status).toBe(503);
  expect(refused.json).toMatchObject({ code: "overloaded", measured: 64, limit: 64 });
  expect(refused.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  expect((await worker.classify(fresh(86_000))).status).toBe(200);
  expect((await worker.get("/healthz")).status).toBe(200);

  // Locally, a disconnected client is noticed only at its turn. test/concurrency/admission.test.ts covers the signal.
  for (const socket of sockets.splice(0)) socket.destroy();
  await soon();
  expect((await worker.classify(fresh(16 * MiB))).status).toBe(200);
  expect((await worker.classify(teapot)).headers.get("X-Cache")).toBe("HIT");
  await expectNothingHeld(worker.url);
});

test("an upload that is too slow is cut off, and its memory is freed", async () => {
  drip(await begin(16 * MiB), 16 * MiB, 3000);
  await soon();
  expect((await worker.classify(fresh(8 * MiB))).status).toBe(200);
  // Two of the largest do not fit at once, so the second waits until the slow one is cut off.
  expect((await worker.classify(fresh(16 * MiB))).status).toBe(200);
});

test("after 70 clients with forms of five progressive 24-megapixel photographs disconnect, nothing is held and 16 MiB fit", async () => {
  const large = await readLargePhoto();
  const gone = new AbortController();
  const statuses: number[] = [];
  const clients = Array.from({ length: 70 }, (_, i) =>
    send(worker.url.origin, largeForm(large, i), `form-${i}`, gone.signal).then(
      ({ status }) => statuses.push(status),
      // The client has disconnected, or was refused before the form was read, which breaks the connection.
      () => {},
    ),
  );
  setTimeout(() => gone.abort(), 5000);
  await Promise.all(clients);
  expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  await expectNothingHeld(worker.url);
  expect((await worker.classify(fresh(86_000))).status).toBe(200);
  expect((await worker.classify(fresh(16 * MiB))).status).toBe(200);
  await expectNothingHeld(worker.url);
});
