/**
 * Renders the scenes of this folder to JPEG files beside it: npx node examples/images/render.ts [--draft] [name ...]
 * A scene is a GLSL file that the path tracer in shader/ draws in headless Chromium, on the CPU.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { Command } from "commander";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { CommandError, runCommand } from "../../cli/terminal/fail.ts";
import { launchChromium } from "../../test/support/browser/chromium.ts";

const folder = new URL("./", import.meta.url);
/** Of the JPEG. It is lowered for pictures that would be larger than maxBytes. */
const bestQuality = 84;
const maxBytes = 140_000;
const landscape = { width: 1200, height: 900, samples: 8, progressive: false };
const settings: Readonly<Record<string, typeof landscape>> = {
  ladybug: { ...landscape, progressive: true },
};

await runCommand(async () => {
  const program = new Command("npx node examples/images/render.ts")
    .description("Render the example pictures. A picture takes one to ten minutes.")
    .argument("[names...]", "scenes to render (default: all)")
    .option("--draft", "write small pictures NAME.draft.jpg in seconds")
    .parse();
  const files = (await readdir(folder)).filter((file) => file.endsWith(".glsl"));
  const scenes = files.map((file) => file.replace(/\.glsl$/, "")).toSorted();
  const unknown = program.args.filter((name) => !scenes.includes(name));
  if (unknown.length > 0) {
    throw new CommandError(`there is no scene ${unknown.join(", ")}; expected some of ${scenes.join(", ")}`);
  }
  const draft = program.opts<{ draft?: boolean }>().draft ?? false;
  const browser = await launchChromium(["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]);
  try {
    const page = await browser.newPage();
    for (const name of program.args.length > 0 ? program.args : scenes) await render(page, name, draft);
  } finally {
    await browser.close();
  }
});

/** Writes NAME.jpg, or NAME.draft.jpg. */
async function render(page: Page, name: string, draft: boolean): Promise<void> {
  const { progressive, ...full } = settings[name] ?? landscape;
  const quarter = { width: full.width / 4, height: Math.round(full.height / 4), samples: 12 };
  const size = draft ? quarter : full;
  const parts = ["shader/header", "shader/shapes", name, "shader/path-tracer"];
  const scene = (await Promise.all(parts.map(readShader))).join("\n");
  const denoise = await readShader("shader/denoise");
  const started = performance.now();
  const png = Buffer.from(await page.evaluate(draw, { scene, denoise, ...size }), "base64");
  let quality = bestQuality;
  let jpeg = await encode(png, quality, progressive);
  while (jpeg.length > maxBytes) jpeg = await encode(png, --quality, progressive);
  const file = `${name}${draft ? ".draft" : ""}.jpg`;
  await writeFile(new URL(file, folder), jpeg);
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${file}: ${size.width}x${size.height}, ${Math.round(jpeg.length / 1000)} kB, ${seconds} s`);
}

function encode(png: Buffer, quality: number, progressive: boolean): Promise<Buffer> {
  return sharp(png).removeAlpha().jpeg({ quality, progressive, chromaSubsampling: "4:2:0" }).toBuffer();
}

function readShader(name: string): Promise<string> {
  return readFile(new URL(`${name}.glsl`, folder), "utf8");
}

interface Drawing {
  /** Fragment shaders. */
  scene: string;
  denoise: string;
  width: number;
  height: number;
  samples: number;
}

/** Runs in the page. Returns the picture as PNG in base64. */
async function draw({ scene, denoise, width, height, samples }: Drawing): Promise<string> {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const gl = canvas.getContext("webgl2", { preserveDrawingBuffer: true });
  if (!gl) throw new Error("This browser has no WebGL 2.");
  const corners = `#version 300 es
    void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1); }`;

  const compile = (kind: GLenum, source: string) => {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader)!);
    return shader;
  };
  const runShader = async (source: string, target: WebGLFramebuffer | null) => {
    const program = gl.createProgram();
    gl.attachShader(program, compile(gl.VERTEX_SHADER, corners));
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER, source));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program)!);
    gl.useProgram(program);
    gl.uniform2f(gl.getUniformLocation(program, "resolution"), width, height);
    gl.uniform1i(gl.getUniformLocation(program, "samples"), samples);
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    // In strips, because a browser aborts a drawing call that takes many seconds.
    for (let y = 0; y < height; y += 4) {
      gl.scissor(0, y, width, 4);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
      gl.readPixels(0, y, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      await new Promise((resume) => setTimeout(resume));
    }
  };

  gl.enable(gl.SCISSOR_TEST);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
  const noisy = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, noisy);
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER,
    gl.COLOR_ATTACHMENT0,
    gl.TEXTURE_2D,
    gl.getParameter(gl.TEXTURE_BINDING_2D),
    0,
  );
  await runShader(scene, noisy);
  await runShader(denoise, null);
  return canvas.toDataURL("image/png").split(",")[1]!;
}
