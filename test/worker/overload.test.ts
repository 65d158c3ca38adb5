/** More than the isolate can take: 503 at once, and good answers as soon as there is room. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleImage, TestWorker } from "../support/worker.ts";

const MiB = 2 ** 20;
let worker: TestWorker;
let ship: Uint8Array;
const sockets: Socket[] = [];

beforeAll(async () => {
  ship = await exampleImage("ship");
  worker = await TestWorker.start();
  expect((await worker.classify(ship)).status).toBe(200);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await worker?.close();
});

/** A client that announces a body and does not send it. */
function announce(bytes: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(worker.url.port), worker.url.hostname, () => {
      socket.write(`POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n`);
      sockets.push(socket);
      resolve(socket);
    });
    socket.once("error", reject);
    socket.on("data", () => {});
  });
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 300));

test("when all room is taken, 64 wait unread, the next is refused at once, and good answers flow when they are gone", async () => {
  const holder = await announce(16 * MiB);
  await soon();
  const waiting = await Promise.all(Array.from({ length: 64 }, () => announce(2 * MiB)));
  await soon();
  const refused = await worker.classify(ship);
  expect(refused.status).toBe(503);
  expect(refused.json).toMatchObject({ code: "overloaded", measured: 64, limit: 64 });
  expect(refused.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  expect((await worker.get("/healthz")).status).toBe(200);

  // Locally a client that goes away is noticed when its turn comes; test/admission.test.ts has the signal.
  for (const socket of [...waiting, holder]) socket.destroy();
  await soon();
  expect((await worker.classify(ship)).status).toBe(200);
  expect((await worker.classify(ship)).headers.get("X-Cache")).toBe("HIT");
});
