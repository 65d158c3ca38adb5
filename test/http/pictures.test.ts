/** Who may see the pictures of a bucket. test/worker/pictures.test.ts uses the routes. */
import { describe, expect, test } from "vitest";
import { cursorOf, positionOf } from "../../src/http/routes/pictures.ts";
import type { Pictures } from "../../src/pictures/pictures.ts";
import { MemoryBucket } from "../support/memory-bucket.ts";
import { TinyApp } from "../support/tiny-app.ts";

async function statusAt(url: string, pictures: Pictures | undefined): Promise<unknown[]> {
  const app = new TinyApp(new MemoryBucket());
  Object.assign(app.services, { pictures });
  const response = await app.fetch(new Request(url));
  return [response.status, ((await response.json()) as { code?: string }).code];
}

describe("without API keys", () => {
  test.each(["", "/labels", "/status", "/similar?key=a", "/thumbnail?key=a", "/label", "/retry", "/events"])(
    "a deployed Worker refuses /v1/pictures%s",
    async (path) => {
      const url = `https://classify.example.com/v1/pictures${path}`;
      expect(await statusAt(url, {} as Pictures)).toEqual([403, "api_keys_required"]);
    },
  );

  test("another host that looks local is refused too", async () => {
    for (const host of ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1"]) {
      expect(await statusAt(`http://${host}/v1/pictures`, {} as Pictures)).toEqual([
        403,
        "api_keys_required",
      ]);
    }
  });
});

describe("a cursor", () => {
  test.each([{ key: "a" }, { key: "ü/𝄞\n\"'", score: 0.1 + 0.2 }, { key: "x".repeat(1024), score: 1 }])(
    "is a position again, whatever the key",
    (position) => {
      const cursor = cursorOf(position);
      expect(cursor).toMatch(/^[\w-]+$/);
      expect(positionOf(cursor)).toEqual(position);
    },
  );

  test.each(["", "!", "WyJh", "bnVsbA", "W10", "WzFd", "x".repeat(5000)])(
    "that is not one is refused",
    (text) => {
      expect(() => positionOf(text)).toThrow(/^cursor is/);
    },
  );
});
