// The one function of exifreader that is used. Its own types import those of Node, which the Worker does not have.
declare module "exifreader/src/exif-reader.js" {
  interface Filter {
    readonly includeTags: { readonly exif: readonly string[] };
  }
  /** Returns the tags of a TIFF or image file by name. Throws for anything else. */
  export function loadView(
    data: DataView,
    options: Filter,
  ): { readonly Orientation?: { readonly value: unknown } };
}
