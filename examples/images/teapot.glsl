// A porcelain teapot on a wooden table before a window.

const float TABLE = 1.0, POT = 2.0, WALL = 3.0, CLOTH = 4.0;

View camera() {
  return View(vec3(0.35, 2.15, 7.2), vec3(0.08, 0.83, 0.0), 4.6, 0.1,
              normalize(vec3(-0.75, 0.85, 0.55)), vec3(1.5, 1.4, 1.2), vec3(0), 0.0, 0.6);
}

// A bright window on the left, a dim room elsewhere.
vec3 sky(vec3 d) {
  vec3 room = mix(vec3(0.3, 0.26, 0.22), vec3(0.55, 0.53, 0.5), smoothstep(-0.2, 0.8, d.y));
  vec2 w = vec2(d.z, d.y - 0.45) / max(-d.x, 0.01) - vec2(0.55, 0.25);
  bool pane = d.x < 0.0 && abs(w.x) < 0.55 && abs(w.y) < 0.6 && min(abs(w.x), abs(w.y)) > 0.035;
  return pane ? vec3(9.0, 9.4, 10.0) : room;
}

float spout(vec3 p) {
  float d = limb(p, vec3(0.75, 0.55, 0), vec3(1.2, 0.78, 0), 0.3, 0.21);
  d = blend(d, limb(p, vec3(1.2, 0.78, 0), vec3(1.42, 1.12, 0), 0.2, 0.15), 0.12);
  d = blend(d, limb(p, vec3(1.42, 1.12, 0), vec3(1.68, 1.42, 0), 0.145, 0.12), 0.1);
  float mouth = limb(p, vec3(1.6, 1.34, 0), vec3(1.78, 1.6, 0), 0.075, 0.09);
  return max(max(d, -mouth), dot(p - vec3(1.68, 1.42, 0), normalize(vec3(0.25, 1.0, 0))) - 0.06);
}

float pot(vec3 p) {
  float d = ellipsoid(p - vec3(0, 0.78, 0), vec3(1.06, 0.74, 1.06));
  d = blend(d, cylinder(p - vec3(0, 0.1, 0), 0.1, 0.62, 0.05), 0.1);
  d = blend(d, spout(p), 0.12);
  vec3 h = p - vec3(-1.05, 0.88, 0);
  h.x *= 0.95;
  h.y *= h.y > 0.0 ? 1.0 : 0.88;
  float handle = length(vec2(length(h.xy) - 0.46, h.z * 0.75)) - 0.085;
  d = blend(d, max(handle, -(length((p - vec3(0, 0.78, 0)) / vec3(1.0, 0.7, 1.0)) - 1.0) * 0.7), 0.08);
  return d;
}

float lid(vec3 p) {
  float d = ellipsoid(p - vec3(0, 1.4, 0), vec3(0.56, 0.2, 0.56));
  d = min(d, ring(p - vec3(0, 1.415, 0), 0.56, 0.045));
  d = blend(d, cylinder(p - vec3(0, 1.62, 0), 0.06, 0.07, 0.02), 0.08);
  return blend(d, ellipsoid(p - vec3(0, 1.74, 0), vec3(0.15, 0.12, 0.15)), 0.04);
}

vec2 scene(vec3 p) {
  vec2 s = vec2(p.y, TABLE);
  s = add(s, p.z + 6.0, WALL);
  float bounds = box(p - vec3(0.1, 0.95, 0), vec3(1.9, 1.0, 1.15), 0.0);
  if (bounds > 0.3) return add(s, bounds, POT);
  s = add(s, min(pot(p), lid(p)) * 0.85, POT);
  return s;
}

// Petals and leaves in cobalt blue around the belly.
float flowers(vec3 p) {
  float around = atan(p.x, p.z) / (2.0 * PI) * 9.0;
  float row = (p.y - 0.8) * 2.2;
  vec2 f = vec2(fract(around) - 0.5, row) * vec2(1.0, 1.0);
  float angle = atan(f.y, f.x), r = length(f);
  float petals = step(r, 0.3 + 0.1 * cos(5.0 * angle)) * step(0.07, r);
  float vine = step(abs(row - 0.12 * sin(around * 2.0 * PI) + 0.62), 0.035) + step(abs(row + 0.12 * sin(around * 2.0 * PI) - 0.62), 0.035);
  return clamp(petals + vine, 0.0, 1.0);
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == TABLE) {
    float plank = floor(p.z / 0.9);
    float grain = fractal(vec2(p.x * 0.7 + plank * 7.0, p.z * 9.0) + 0.6 * noise(p.xz));
    vec3 wood = mix(vec3(0.16, 0.075, 0.03), vec3(0.42, 0.23, 0.11), grain);
    float gap = smoothstep(0.0, 0.012, abs(fract(p.z / 0.9) - 0.5) - 0.006);
    return glossy(wood * mix(0.3, 1.0, gap), 0.25);
  }
  if (number == WALL) return matt(vec3(0.16, 0.22, 0.23) * (0.85 + 0.2 * fractal(p.xy * 2.0)));
  vec3 white = vec3(0.86, 0.86, 0.84);
  vec3 blue = vec3(0.02, 0.06, 0.35);
  float drawn = length(p.xz) > 0.7 && abs(p.y - 0.8) < 0.5 && length(p.xz) < 1.12 && abs(p.x) < 1.04 ? flowers(p) : 0.0;
  drawn = max(drawn, step(abs(length(p.xz) - 0.6), 0.025) * step(1.3, p.y));
  drawn = max(drawn, step(length(p - vec3(0, 1.74, 0)), 0.14));
  drawn = max(drawn, step(abs(p.y - 0.17), 0.02) * step(length(p.xz), 0.9));
  return glossy(mix(white, blue, drawn), 0.015);
}
