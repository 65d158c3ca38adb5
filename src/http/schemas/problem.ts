/** What an error looks like: RFC 9457, with the members that reasons add. */
import { z } from "zod";
import { reasonCodes } from "../problem.ts";

/** Loose: RFC 9457 has clients pass over members that they do not know. */
export const problemSchema = z
  .looseObject({
    type: z.literal("about:blank"),
    title: z.string().describe("the reason phrase of the status"),
    status: z.int().min(400).max(599),
    detail: z.string().describe("what happened, what was expected, what to do; for people"),
    instance: z
      .string()
      .regex(/^urn:request:/)
      .describe("names the request, as its log line does"),
    code: z.enum(reasonCodes).describe("for programs"),
    measured: z.number().optional().describe("the value at fault"),
    limit: z.number().optional().describe("what it may be"),
    unit: z.string().optional().describe("of both"),
    parameter: z.string().optional(),
    expected: z.string().optional(),
    detected: z.string().optional(),
    allowed: z.array(z.string()).optional().describe("methods"),
    served: z.array(z.string()).optional().describe("models"),
    head: z.string().optional().describe("its name"),
    backbones: z.array(z.string()).optional().describe("models that the head is for: name/version"),
    live: z.string().optional().describe("the model that is: name/version"),
    host: z.string().optional(),
    variable: z.string().optional().describe("of the Worker's configuration"),
  })
  .meta({ description: "An error (RFC 9457)" });
