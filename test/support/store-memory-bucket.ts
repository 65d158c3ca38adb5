/** A bucket in memory for the commands, which list, read, write and delete like R2's binding. */
import type { ListPage, PutOptions, StoreBucket } from "../../cli/store/bucket.ts";
import { MemoryBucket } from "./memory-bucket.ts";

/** Lists two objects per page (R2: a thousand), and can be killed before any write. */
export class StoreMemoryBucket extends MemoryBucket implements StoreBucket {
  readonly deletes: string[] = [];
  beforeWrite: () => void = () => {};

  override async put(key: string, value: Uint8Array | string, options?: PutOptions) {
    this.beforeWrite();
    return super.put(key, value, options);
  }

  async delete(keys: string | string[]): Promise<void> {
    for (const key of [keys].flat()) {
      this.beforeWrite();
      this.objects.delete(key);
      this.deletes.push(key);
    }
  }

  override async list(options: { prefix?: string; delimiter?: string; cursor?: string }): Promise<ListPage> {
    const { prefix = "", delimiter, cursor = "" } = options;
    const found = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > cursor).sort();
    const page = found.slice(0, 2);
    const folderOf = (key: string) => {
      const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      return end < 0 ? undefined : key.slice(0, end + 1);
    };
    const folders = page.map(folderOf).filter((folder) => folder !== undefined);
    // Do not list a folder's other keys again on the next page.
    const last = folders.at(-1);
    const end = last === undefined ? page.at(-1) : found.filter((key) => key.startsWith(last)).at(-1);
    const objects = page
      .filter((key) => folderOf(key) === undefined)
      .map((key) => ({ key, size: this.objects.get(key)?.length ?? 0 }));
    const truncated = end !== undefined && end !== found.at(-1);
    const more = truncated ? { cursor: end } : {};
    return { objects, truncated, delimitedPrefixes: [...new Set(folders)], ...more };
  }
}
