/** The image origin behind /cdn/ in a soak: one large image under every path. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { padded } from "../probes.ts";

const imageBytes = 8 * 2 ** 20;

export class ImageServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Every path has the picture in a file of 8 MiB. */
  static async start(jpeg: Uint8Array): Promise<ImageServer> {
    const body = padded(jpeg, imageBytes);
    const server = createServer((_, response) => {
      response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": body.length }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ImageServer(server);
  }

  /** With a slash at its end, as IMAGE_ORIGIN takes it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
