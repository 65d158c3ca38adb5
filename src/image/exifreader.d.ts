// exifreader's module entry, of which only this is used. Its own types pull in all of Node's, and the Worker has none.
declare module "exifreader/src/exif-reader.js" {
  interface Filter {
    readonly includeTags: { readonly exif: readonly string[] };
  }
  /** Tags of a TIFF or image file by name. Throws for anything else. */
  export function loadView(
    data: DataView,
    options: Filter,
  ): { readonly Orientation?: { readonly value: unknown } };
}
