/** The image origin behind /cdn/ in a soak: one large image under every path. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { padded } from "./pictures.ts";

/** A running server. */
export type ImageServer = Awaited<ReturnType<typeof startImageServer>>;

/** Serves the picture in a file of 8 MiB under every path. */
export async function startImageServer(jpeg: Uint8Array) {
  const body = padded(jpeg, 8 * 2 ** 20);
  const server = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "image/jpeg", "Content-Length": body.length }).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    /** Ends with a slash, as IMAGE_ORIGIN requires. */
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
