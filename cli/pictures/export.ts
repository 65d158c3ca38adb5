/** Writes the labels to a file: CSV, NDJSON or Parquet. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { stringify } from "csv-stringify";
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import type { Picture } from "./api.ts";

/** The formats of a file. */
export const exportFormats = ["csv", "ndjson", "parquet"] as const;

/** Columns of CSV and Parquet, and the type of each in Parquet. */
const columns = {
  key: "STRING",
  etag: "STRING",
  uploaded: "TIMESTAMP",
  labelled_at: "TIMESTAMP",
  stale: "BOOLEAN",
  sha256: "STRING",
  width: "INT32",
  height: "INT32",
  model: "STRING",
  model_version: "STRING",
  head: "STRING",
  head_version: "STRING",
  label: "STRING",
  score: "DOUBLE",
  predictions: "STRING",
  code: "STRING",
  detail: "STRING",
  quarantined_from: "STRING",
  features: "FLOATS",
} as const;
type Column = keyof typeof columns;
const columnNames = Object.keys(columns) as Column[];

/** Rows of one row group of Parquet, which are in memory at once. */
const rowGroupRows = 10_000;

/**
 * Writes pictures to a file. The file appears only when it is complete.
 * @returns how many were written
 */
export async function exportPictures(
  pictures: AsyncIterable<Picture>,
  format: (typeof exportFormats)[number],
  file: string,
): Promise<number> {
  const partial = `${file}.partial`;
  let count = 0;
  const counted = (async function* () {
    for await (const picture of pictures) {
      count++;
      yield picture;
    }
  })();
  try {
    if (format === "parquet") await writeParquet(counted, partial);
    else if (format === "csv") await writeCsv(counted, partial);
    else
      await pipeline(
        mapped(counted, (picture) => `${JSON.stringify(picture)}\n`),
        createWriteStream(partial),
      );
    await rename(partial, file);
    return count;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeCsv(pictures: AsyncIterable<Picture>, file: string): Promise<void> {
  const rows = mapped(pictures, (picture) => ({ ...rowOf(picture), features: picture.features }));
  const cast = { boolean: String };
  // A key may begin with "=", which a spreadsheet would run as a formula.
  const text = stringify({ header: true, columns: columnNames, cast, escape_formulas: true });
  await pipeline(rows, text, createWriteStream(file));
}

async function writeParquet(pictures: AsyncIterable<Picture>, file: string): Promise<void> {
  const schema = [{ name: "root", num_children: columnNames.length }, ...columnNames.flatMap(elementsOf)];
  const writer = new ParquetWriter({ writer: fileWriter(file), schema });
  const flush = (rows: readonly ReturnType<typeof parquetRow>[]) =>
    writer.write({
      columnData: columnNames.map((name) => ({ name, data: rows.map((row) => row[name] ?? null) })),
      rowGroupSize: rowGroupRows,
    });
  let rows: ReturnType<typeof parquetRow>[] = [];
  for await (const picture of pictures) {
    rows.push(parquetRow(picture));
    if (rows.length < rowGroupRows) continue;
    await flush(rows);
    rows = [];
  }
  if (rows.length > 0) await flush(rows);
  await writer.finish();
}

const parquetTypes = {
  STRING: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  TIMESTAMP: { type: "INT64", converted_type: "TIMESTAMP_MILLIS" },
  BOOLEAN: { type: "BOOLEAN" },
  INT32: { type: "INT32" },
  DOUBLE: { type: "DOUBLE" },
} as const;

/** Returns the schema of a column. A list takes three elements (Parquet's LogicalTypes.md, Lists). */
function elementsOf(name: Column): SchemaElement[] {
  const type = columns[name];
  if (type !== "FLOATS") return [{ name, repetition_type: "OPTIONAL", ...parquetTypes[type] }];
  return [
    { name, repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "REQUIRED", type: "FLOAT" },
  ];
}

function parquetRow(picture: Picture) {
  return {
    ...rowOf(picture),
    uploaded: new Date(picture.uploaded),
    labelled_at: new Date(picture.labelled_at),
    features: picture.features === undefined ? undefined : floatsOf(picture.features),
  };
}

/** Reads little-endian float32 values in base64. */
function floatsOf(base64: string): number[] {
  const bytes = Buffer.from(base64, "base64");
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

function rowOf({ image, model, head, predictions, error, features: _, ...picture }: Picture) {
  return {
    ...picture,
    ...image,
    model: model?.name,
    model_version: model?.version,
    head: head?.name,
    head_version: head?.version,
    label: predictions?.[0]?.label,
    score: predictions?.[0]?.score,
    predictions: predictions && JSON.stringify(predictions),
    code: error?.code,
    detail: error?.detail,
  };
}

async function* mapped<T, U>(items: AsyncIterable<T>, map: (item: T) => U): AsyncGenerator<U> {
  for await (const item of items) yield map(item);
}
