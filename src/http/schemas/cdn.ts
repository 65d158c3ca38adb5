/** /cdn/*. */
import { z } from "zod";
import type { RouteDoc } from "../openapi/route-doc.ts";

export const cdnDocs: readonly RouteDoc[] = [
  {
    method: "get",
    path: "/cdn/{path}",
    operationId: "cdn",
    summary: "An image of IMAGE_ORIGIN, its bytes untouched, its label in headers",
    description: "With Accept: application/json the classes, as GET /v1/classify answers them.",
    params: z.object({ path: z.string().describe("of the image at the origin; may hold slashes") }),
    answer: {
      description: "The image",
      mediaType: "image/*",
      headers: {
        "X-Image-Label": "the most probable class",
        "X-Image-Score": "its probability",
        "X-Image-Sha256": "of the image",
        "X-Image-Classify-Error": "why there are no labels: the image flows all the same",
      },
    },
    conditional: true,
    errors: ["invalid_parameter", "not_found", "upstream_unavailable", "loop_detected"],
  },
];
