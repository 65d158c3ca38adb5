/** A local HTTP server for downloads that can cut connections, hang and lie. It records the requests. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export const content = Buffer.from(Uint32Array.from({ length: 100_000 }, (_, i) => i * 2_654_435_761).buffer);
export const half = content.length / 2;
export const sha256 = createHash("sha256").update(content).digest("hex");

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

export class FetchServer {
  readonly #server: Server;
  readonly seen: Seen[] = [];
  /** Handlers by path. Other paths get a 404. */
  readonly routes: Record<string, Handler> = {};

  private constructor() {
    this.#server = createServer((request, response) => {
      const { range, "if-range": ifRange } = request.headers;
      this.seen.push({ path: request.url ?? "", range, ifRange: ifRange as string | undefined });
      const handler = this.routes[request.url ?? ""];
      if (handler) handler(request, response);
      else response.writeHead(404).end();
    });
  }

  static async start(): Promise<FetchServer> {
    const server = new FetchServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Serves ranges correctly. */
export const good =
  (bytes = content, etag = '"one"'): Handler =>
  ({ headers }, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const usable = headers["if-range"] === undefined || headers["if-range"] === etag;
    if (start === 0 || !usable) {
      response.writeHead(200, { "Content-Length": bytes.length, ETag: etag }).end(bytes);
    } else if (start >= bytes.length) {
      response.writeHead(416, { "Content-Range": `bytes */${bytes.length}` }).end();
    } else {
      const rest = bytes.subarray(start);
      const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
      const headers = { "Content-Length": rest.length, "Content-Range": contentRange, ETag: etag };
      response.writeHead(206, headers).end(rest);
    }
  };

/** Announces the whole file, sends its first half, and then calls `then`. */
export const firstHalf =
  (then: (response: ServerResponse) => void, etag = '"one"', bytes = content): Handler =>
  (_, response) => {
    response.writeHead(200, { "Content-Length": bytes.length, ETag: etag });
    response.write(bytes.subarray(0, half), () => setTimeout(() => then(response), 50));
  };
export const cut = (response: ServerResponse) => response.destroy();
export const hang = () => {};
export const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(code, headers).end();

/** Uses one handler per request, and the last one for all that follow. */
export const inTurn = (...handlers: Handler[]): Handler => {
  let turn = 0;
  return (request, response) => handlers[Math.min(turn++, handlers.length - 1)]?.(request, response);
};
