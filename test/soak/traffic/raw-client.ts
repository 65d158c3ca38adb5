/** Clients that fetch cannot be: those that announce more than they send, are slow on purpose, or do not read. */

import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import type { Answer } from "./answer.ts";

const timeoutMs = 60_000;
/** Milliseconds between two writes of a slow sender. */
const trickleEveryMs = 100;
/** Milliseconds for which a client that does not read keeps its connection. */
const unreadMs = 30_000;

/** Announces `bytes`, sends `part` and goes away. Resolves when it has. */
export function goAway(origin: string, bytes: number, part: Uint8Array, id: string): Promise<void> {
  return converse(origin, bytes, id, (socket, done) => {
    socket.write(part, () => {
      // Long enough that the Worker has begun to read.
      setTimeout(() => {
        socket.destroy();
        done();
      }, 20);
    });
  });
}

/** Announces `bytes`, sends none, and resolves with the answer. */
export async function announce(origin: string, bytes: number, id: string): Promise<Answer> {
  const answer = await converse<string>(origin, bytes, id, (socket, done) => {
    let answer = "";
    socket.on("data", (data: Buffer) => {
      answer += data.toString("latin1");
      if (!isComplete(answer)) return;
      socket.destroy();
      done(answer);
    });
  });
  return parseAnswer(answer);
}

/**
 * Announces `bytes` and sends `body` at a low rate; undefined when `signal` cut it off.
 * @throws Error when the connection ends without an answer
 */
export async function trickle(
  origin: string,
  sent: { readonly bytes: number; readonly body: Uint8Array; readonly bytesPerSecond: number },
  id: string,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const head = `POST /v1/classify HTTP/1.1\r\nContent-Type: image/jpeg\r\nContent-Length: ${sent.bytes}\r\n`;
  const socket = await open(origin, head, id);
  const answer = Promise.withResolvers<string | undefined>();
  let received = "";
  socket.on("data", (data: Buffer) => {
    received += data.toString("latin1");
    if (isComplete(received)) answer.resolve(received);
  });
  socket.on("close", () => answer.reject(new Error("the connection was closed before an answer came")));
  const leave = () => answer.resolve(undefined);
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  const step = Math.max(1, Math.round((sent.bytesPerSecond * trickleEveryMs) / 1000));
  let at = 0;
  const timer = setInterval(() => {
    if (at < sent.body.length) socket.write(sent.body.subarray(at, at + step));
    at += step;
  }, trickleEveryMs);
  try {
    const whole = await answer.promise;
    return whole === undefined ? undefined : parseAnswer(whole);
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", leave);
    socket.destroy();
  }
}

/** A body in parts, which are sent one after the other without being copied. */
export interface Upload {
  readonly path: string;
  readonly contentType: string;
  readonly parts: readonly Uint8Array[];
}

/**
 * Posts `parts` on a connection of its own: one that was refused before its body was read cannot be used again, and fetch
 * would try. @throws Error when the connection ends without an answer
 */
export function upload(origin: string, sent: Upload, id: string, signal: AbortSignal): Promise<Answer> {
  const headers = {
    "Content-Type": sent.contentType,
    "Content-Length": sent.parts.reduce((sum, { length }) => sum + length, 0),
    "X-Request-Id": id,
  };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers, agent: false, signal };
    const outgoing = request(new URL(sent.path, origin), options, (response) => {
      const answered = async () => {
        const fields = Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
          values.map((value): [string, string] => [name, value]),
        );
        return {
          status: response.statusCode ?? 0,
          headers: new Headers(fields),
          text: await text(response),
        };
      };
      answered().then(resolve, reject);
    });
    outgoing.on("error", reject);
    Readable.from(sent.parts).pipe(outgoing);
  });
}

/** Asks for `path`, never reads, and goes away after 30 s or when `signal` says so. */
export async function stopReading(
  origin: string,
  path: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const socket = await open(origin, `GET ${path} HTTP/1.1\r\n`, id);
  await wait(unreadMs, undefined, { signal }).catch(() => {});
  socket.destroy();
}

/** A connection on which the request's head has been sent. It does not read until somebody listens for data. */
function open(origin: string, head: string, id: string): Promise<Socket> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${head}Host: ${hostname}:${port}\r\nX-Request-Id: ${id}\r\n\r\n`);
      resolve(socket);
    });
    socket.pause();
    // A connection that breaks later is closed too, which is listened for.
    socket.on("error", reject);
  });
}

function parseAnswer(answer: string): Answer {
  const end = answer.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = answer.slice(0, end).split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const body = answer.slice(end + 4);
  // A chunked body: here always of one line of JSON.
  const text = headers.has("Content-Length")
    ? body
    : body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1);
  return { status: Number(statusLine.split(" ")[1]), headers, text };
}

function converse<T>(
  origin: string,
  bytes: number,
  id: string,
  talk: (socket: Socket, done: (value: T) => void) => void,
): Promise<T> {
  const { hostname, port } = new URL(origin);
  return new Promise<T>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /v1/classify HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: image/jpeg\r\nContent-Length: ${bytes}\r\nX-Request-Id: ${id}\r\n\r\n`,
      );
      talk(socket, resolve);
    });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed before an answer came")));
  });
}

/** Whether headers and the announced body, or the last chunk, are there. */
function isComplete(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, end));
  return length ? answer.length >= end + 4 + Number(length[1]) : answer.endsWith("0\r\n\r\n");
}
