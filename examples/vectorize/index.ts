/**
 * Similar pictures of a bucket of any size: copies the features that the Worker keeps into a Vectorize index, page by page,
 * and searches there. Vectorize has no local simulation, so this example runs in an account only:
 * `npx wrangler vectorize create pictures --dimensions 512 --metric cosine`.
 */

interface Env {
  /** The Worker that labels the bucket, with KEEP_FEATURES = "true". */
  readonly LABELLER: Fetcher;
  readonly VECTORIZE: Vectorize;
  /** Secret: one of the labeller's API keys. */
  readonly KEY: string;
}

interface Picture {
  readonly key: string;
  readonly model?: { readonly version: string };
  /** Little-endian float32 in base64. */
  readonly features?: string;
}

/** Vectors that one upsert may have. */
const pagePictures = 250;
const neighbours = 20;

export default {
  /** GET /?key=KEY: the keys of the most similar pictures. */
  async fetch(request, env) {
    const key = new URL(request.url).searchParams.get("key");
    if (key === null) return new Response("Name a picture: ?key=KEY\n", { status: 400 });
    const { pictures } = await list(env, { key, include: "features" });
    const [picture] = pictures;
    if (!picture?.features) return new Response("This picture has no features.\n", { status: 404 });
    // One more, because the picture itself is the most similar one.
    const found = await env.VECTORIZE.query(vectorOf(picture.features), {
      topK: neighbours + 1,
      returnMetadata: "all",
      namespace: picture.model?.version ?? "",
    });
    const others = found.matches.filter(({ metadata }) => metadata?.key !== key).slice(0, neighbours);
    return Response.json(others.map(({ metadata, score }) => ({ key: metadata?.key, similarity: score })));
  },

  /** Cron trigger: copies all features. An upsert of the same vector changes nothing. */
  async scheduled(_event, env) {
    for (let cursor: string | undefined; ; ) {
      const query = {
        include: "features",
        limit: String(pagePictures),
        ...(cursor !== undefined && { cursor }),
      };
      const page = await list(env, query);
      const kept = page.pictures.filter(({ features }) => features !== undefined);
      if (kept.length > 0) await env.VECTORIZE.upsert(await Promise.all(kept.map(entryOf)));
      cursor = page.cursor;
      if (cursor === undefined) return;
    }
  },
} satisfies ExportedHandler<Env>;

async function list(env: Env, query: Record<string, string>) {
  const url = `https://labeller/v1/pictures?${new URLSearchParams(query)}`;
  const response = await env.LABELLER.fetch(url, { headers: { Authorization: `Bearer ${env.KEY}` } });
  if (!response.ok) throw new Error(`the labeller answers ${response.status}: ${await response.text()}`);
  return response.json<{ pictures: Picture[]; cursor?: string }>();
}

async function entryOf({ key, model, features = "" }: Picture): Promise<VectorizeVector> {
  // An id has at most 64 bytes, a key up to 1,024.
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
  const id = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // Features of different models cannot be compared.
  return { id, namespace: model?.version ?? "", values: vectorOf(features), metadata: { key } };
}

function vectorOf(features: string): number[] {
  const bytes = Uint8Array.from(atob(features), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
