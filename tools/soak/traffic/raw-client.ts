/** Clients that fetch cannot be: those that announce more than they send. */
import { connect, type Socket } from "node:net";
import type { Answer } from "./answer.ts";

const timeoutMs = 60_000;

/** Announces `bytes`, sends `part` and goes away. Resolves when it has. */
export function goAway(origin: string, bytes: number, part: Uint8Array): Promise<void> {
  return converse(origin, bytes, (socket, done) => {
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
export async function announce(origin: string, bytes: number): Promise<Answer> {
  const answer = await converse<string>(origin, bytes, (socket, done) => {
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
  talk: (socket: Socket, done: (value: T) => void) => void,
): Promise<T> {
  const { hostname, port } = new URL(origin);
  return new Promise<T>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /v1/classify HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: image/jpeg\r\nContent-Length: ${bytes}\r\n\r\n`,
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
