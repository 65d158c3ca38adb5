// Random numbers, noise and shapes for the scenes. A shape is a function from a point to its signed distance:
// https://iquilezles.org/articles/distfunctions/

const float PI = 3.14159265;

float hash(vec2 p) {
  vec3 q = fract(p.xyx * 0.1031);
  q += dot(q, q.yzx + 33.33);
  return fract((q.x + q.y) * q.z);
}

float hash(vec3 p) {
  p = fract(p * 0.1031);
  p += dot(p, p.zyx + 31.32);
  return fract((p.x + p.y) * p.z);
}

// Smooth random values, 0 to 1.
float noise(vec2 p) {
  vec2 cell = floor(p), f = smoothstep(0.0, 1.0, p - cell);
  float low = mix(hash(cell), hash(cell + vec2(1, 0)), f.x);
  float high = mix(hash(cell + vec2(0, 1)), hash(cell + vec2(1, 1)), f.x);
  return mix(low, high, f.y);
}

float noise(vec3 p) {
  vec3 cell = floor(p), f = smoothstep(0.0, 1.0, p - cell);
  vec4 low = vec4(hash(cell), hash(cell + vec3(1, 0, 0)), hash(cell + vec3(0, 1, 0)), hash(cell + vec3(1, 1, 0)));
  cell.z += 1.0;
  vec4 high = vec4(hash(cell), hash(cell + vec3(1, 0, 0)), hash(cell + vec3(0, 1, 0)), hash(cell + vec3(1, 1, 0)));
  vec4 z = mix(low, high, f.z);
  return mix(mix(z.x, z.y, f.x), mix(z.z, z.w, f.x), f.y);
}

// Noise with finer and finer detail, 0 to 1.
float fractal(vec2 p) {
  return 0.5 * noise(p) + 0.26 * noise(p * 2.1 + 7.3) + 0.15 * noise(p * 4.3 + 3.1) + 0.09 * noise(p * 8.9 + 1.7);
}

float fractal(vec3 p) {
  return 0.5 * noise(p) + 0.26 * noise(p * 2.1 + 7.3) + 0.15 * noise(p * 4.3 + 3.1) + 0.09 * noise(p * 8.9 + 1.7);
}

// Distance from p to the nearest of scattered points, one to a unit square, and a random number of that point.
vec2 scattered(vec2 p) {
  vec2 nearest = vec2(9.0, 0.0), cell = floor(p);
  for (int y = -1; y <= 1; y++) {
    for (int x = -1; x <= 1; x++) {
      vec2 at = cell + vec2(x, y);
      float random = hash(at);
      vec2 point = at + 0.15 + 0.7 * vec2(random, hash(at + 57.0));
      float d = distance(p, point);
      if (d < nearest.x) nearest = vec2(d, hash(at + 13.0));
    }
  }
  return nearest;
}

mat2 turn(float angle) {
  float c = cos(angle), s = sin(angle);
  return mat2(c, s, -s, c);
}

// Folds space around the y axis into `count` equal sectors, with the middle of the sector on the x axis.
vec3 sectors(vec3 p, float count) {
  float sector = 2.0 * PI / count;
  float angle = atan(p.z, p.x);
  p.xz *= turn(floor(angle / sector + 0.5) * sector);
  return p;
}

float box(vec3 p, vec3 halfSize, float rounding) {
  vec3 q = abs(p) - halfSize + rounding;
  return length(max(q, 0.0)) + min(max(q.x, max(q.y, q.z)), 0.0) - rounding;
}

// About the distance to an ellipsoid: exact on the surface.
float ellipsoid(vec3 p, vec3 radii) {
  float k = length(p / radii), g = length(p / (radii * radii));
  return k * (k - 1.0) / max(g, 1e-4);
}

// From a to b, with a radius for each end.
float limb(vec3 p, vec3 a, vec3 b, float radiusA, float radiusB) {
  float t = clamp(dot(p - a, b - a) / dot(b - a, b - a), 0.0, 1.0);
  return length(p - mix(a, b, t)) - mix(radiusA, radiusB, t);
}

float limb(vec2 p, vec2 a, vec2 b, float radiusA, float radiusB) {
  return limb(vec3(p, 0), vec3(a, 0), vec3(b, 0), radiusA, radiusB);
}

// Around the y axis, from -halfHeight to halfHeight, with the radius of its lower and upper end.
float cone(vec3 p, float halfHeight, float lower, float upper, float rounding) {
  float radius = mix(lower, upper, clamp(p.y / halfHeight * 0.5 + 0.5, 0.0, 1.0));
  vec2 q = vec2(length(p.xz) - radius, abs(p.y) - halfHeight) + rounding;
  return min(max(q.x, q.y), 0.0) + length(max(q, 0.0)) - rounding;
}

float cylinder(vec3 p, float halfHeight, float radius, float rounding) {
  return cone(p, halfHeight, radius, radius, rounding);
}

// A ring around the y axis.
float ring(vec3 p, float radius, float thickness) {
  return length(vec2(length(p.xz) - radius, p.y)) - thickness;
}

// The union of two shapes whose seam is blended over a width of k.
float blend(float a, float b, float k) {
  float h = max(k - abs(a - b), 0.0) / k;
  return min(a, b) - h * h * k * 0.25;
}

// A scene is a distance and the number of a material; this adds a shape to it.
vec2 add(vec2 scene, float d, float material) {
  return d < scene.x ? vec2(d, material) : scene;
}
