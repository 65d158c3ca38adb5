#version 300 es
// Non-local means (Buades, Coll and Morel, 2005): each pixel becomes a mean of those around it whose patches look alike.
// How alike they must look follows from the error that the path tracer estimated.
precision highp float;

uniform sampler2D noisy;
out vec4 pixel;

const int RADIUS = 5;

vec4 fetch(ivec2 at) {
  return texelFetch(noisy, clamp(at, ivec2(0), textureSize(noisy, 0) - 1), 0);
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 sum = vec4(0);
  for (int y = -RADIUS; y <= RADIUS; y++) {
    for (int x = -RADIUS; x <= RADIUS; x++) {
      ivec2 shift = ivec2(x, y);
      float difference = 0.0, expected = 0.0;
      for (int i = 0; i < 9; i++) {
        ivec2 part = ivec2(i % 3, i / 3) - 1;
        vec4 a = fetch(at + part), b = fetch(at + part + shift);
        difference += dot(a.rgb - b.rgb, a.rgb - b.rgb) / 3.0;
        expected += (a.a * a.a + b.a * b.a) / 16.0;
      }
      float weight = exp(-max(difference - expected, 0.0) / (1.2 * expected + 1e-4));
      sum += weight * vec4(fetch(at + shift).rgb, 1);
    }
  }
  pixel = vec4(sum.rgb / sum.a, 1);
}
