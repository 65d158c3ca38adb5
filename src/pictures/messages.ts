/** The messages of the queue: R2's event notifications, and this project's own. */
import { z } from "zod";

/** R2 limits keys to 1,024 bytes. */
const keySchema = z.string().min(1).max(1024);

/**
 * An event notification of R2 (developers.cloudflare.com/r2/buckets/event-notifications/). It is only a hint that the object
 * may have changed: notifications arrive late, twice and in any order.
 */
export const notificationSchema = z.object({
  account: z.string().optional(),
  action: z.string().describe("Such as PutObject or DeleteObject."),
  bucket: z.string(),
  object: z.object({
    key: keySchema,
    size: z.number().optional().describe("Bytes. Absent for a deletion."),
    eTag: z.string().optional().describe("Absent for a deletion."),
  }),
  eventTime: z.string(),
});

/** Which labelled pictures to label again although they have not changed. */
const refreshKinds = ["stale", "failed"] as const;

/** A message of `npm run bucket`: label the object with this key. */
const labelMessageSchema = z.object({
  type: z.literal("label"),
  key: keySchema,
  /** stale: if another model or head labelled it. failed: if it could not be labelled. */
  refresh: z.enum(refreshKinds).optional(),
});

/** What to label. */
export interface LabelRequest {
  readonly key: string;
  readonly refresh?: (typeof refreshKinds)[number] | undefined;
}

/** Returns the message of a request. */
export function labelMessage(request: LabelRequest): z.infer<typeof labelMessageSchema> {
  return { type: "label", ...request };
}

/** Reads a message. Returns undefined if it is neither a notification nor a message of this project. */
export function parseMessage(body: unknown): LabelRequest | undefined {
  const own = labelMessageSchema.safeParse(body);
  if (own.success) return { key: own.data.key, refresh: own.data.refresh };
  const notification = notificationSchema.safeParse(body);
  return notification.success ? { key: notification.data.object.key } : undefined;
}
