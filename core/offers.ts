import * as z from "zod";
import { imageNamePattern, type Offers as Offered } from "./stack.ts";

/** An `Offers` as the stack's output and the functions' environment have it. */
export const Offers = z.object({
  images: z.record(z.string().regex(imageNamePattern), z.string().min(1)),
  instanceTypes: z.array(z.string().min(1)),
  maxVcpus: z.int().min(1),
}) satisfies z.ZodType<Offered>;
