import { describe, expect, test } from "vitest";
import { parseAllowedHosts, whyNotAllowed } from "../../src/remote/allowed-hosts.ts";

const list =
  "images.example.com, *.example.org, cdn.example.net:8443, localhost:9000, 127.0.0.1, 203.0.113.7,";
const why = (url: string, hosts = list) => whyNotAllowed(new URL(url), parseAllowedHosts(hosts));

describe("whyNotAllowed", () => {
  test.each([
    "https://images.example.com/a.jpg",
    "https://IMAGES.example.com:443/",
    "https://a.example.org/",
    "https://a.b.example.org/",
    "https://cdn.example.net:8443/",
    "http://localhost:9000/",
    "http://127.0.0.1/",
    "http://2130706433/",
    "https://203.0.113.7/",
  ])("accepts %s", (url) => {
    expect(why(url)).toBeUndefined();
  });

  test.each([
    ["http://images.example.com/", "https"],
    ["http://a.example.org/", "https"],
    ["http://203.0.113.7/", "https"],
    ["https://example.org/", "list"],
    ["https://aexample.org/", "list"],
    ["https://.example.org/", "list"],
    ["https://images.example.com.evil.test/", "list"],
    ["https://cdn.example.net/", "port"],
    ["https://images.example.com:8443/", "port"],
    ["http://localhost/", "port"],
    ["https://a@images.example.com/", "password"],
    ["https://:b@images.example.com/", "password"],
    ["https://[::ffff:7f00:1]/", "IP address"],
    ["https://0xcb.0x0.0x71.0x8/", "IP address"],
    ["https://3405803784/", "IP address"],
    ["ftp://images.example.com/", "https"],
  ])("refuses %s: %s", (url, reason) => {
    expect(why(url)).toContain(reason);
  });

  test("accepts nothing with an empty list", () => {
    expect(why("https://images.example.com/", " , ")).toBe("no host is allowed");
  });
});

test.each([
  "https://images.example.com",
  "images.example.com/",
  "user@images.example.com",
  "*",
  "*.com",
  "*.0.0.1",
  "*.1.2.3.4",
  "a.*.example.com",
  "images.example.com.",
  "images.example.com:99999",
  "a b",
])("the list entry %s is refused by name", (entry) => {
  expect(() => parseAllowedHosts(`images.example.com, ${entry}`)).toThrow(JSON.stringify(entry));
});
