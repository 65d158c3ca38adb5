/** A server of images on this machine, as kind or hostile as a test has it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Wrangler's test harness sends what the Worker fetches through this process's fetch, with a Request as its options, and
 * forgets that the Worker follows redirects itself. workerd's own network does not.
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
  /** What came, oldest first. */
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

  /** An image with a strong ETag, which it heeds. */
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
