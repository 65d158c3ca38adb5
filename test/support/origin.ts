/** A local server of images, which can be hostile. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Wrangler's test harness sends the Worker's fetches through this process's fetch, with a Request as options. It loses
 * `redirect: "manual"`, which workerd's own network respects.
 */
function leaveRedirectsToTheWorker(): () => void {
  const original = globalThis.fetch;
  globalThis.fetch = (input, init) =>
    init && "url" in init
      ? original(new Request(input, init), { redirect: "manual" })
      : original(input, init);
  return () => {
    globalThis.fetch = original;
  };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export class Origin {
  readonly #server: Server;
  readonly #restoreFetch = leaveRedirectsToTheWorker();
  readonly #routes = new Map<string, Handler>();
  /** Received requests, oldest first. */
  readonly requests: IncomingMessage[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(request);
      const handler = this.#routes.get(new URL(request.url ?? "/", "http://origin").pathname);
      if (handler) return handler(request, response);
      response.writeHead(404).end("nothing here");
    });
  }

  static async start(): Promise<Origin> {
    const origin = new Origin();
    await new Promise<void>((resolve) => origin.#server.listen(0, "127.0.0.1", resolve));
    return origin;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(pathname: string): string {
    return `http://${this.host}${pathname}`;
  }

  on(pathname: string, handler: Handler): void {
    this.#routes.set(pathname, handler);
  }

  /** Serves an image with a strong ETag, and answers 304 to it. */
  image(pathname: string, bytes: Uint8Array, etag?: string): void {
    this.on(pathname, (request, response) => {
      const headers = { "Content-Type": "image/jpeg", ...(etag === undefined ? {} : { ETag: etag }) };
      if (etag !== undefined && request.headers["if-none-match"] === etag)
        response.writeHead(304, headers).end();
      else response.writeHead(200, { ...headers, "Content-Length": bytes.length }).end(bytes);
    });
  }

  async close(): Promise<void> {
    this.#restoreFetch();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
