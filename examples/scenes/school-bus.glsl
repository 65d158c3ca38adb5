// A yellow school bus on a road beside trees. The bus drives towards +x; units are metres.

const float ROAD = 1.0, GRASS = 2.0, LEAVES = 3.0, BODY = 4.0, BLACK = 5.0, TYRE = 6.0, HUB = 7.0, CHROME = 8.0,
            LAMP = 9.0, AMBER = 10.0, RED_LAMP = 11.0, SIGN = 12.0, TRUNK = 13.0;

View camera() {
  return View(vec3(12.2, 2.5, 9.4), vec3(0.1, 1.5, 0.0), 4.9, 0.08,
              normalize(vec3(0.65, 0.75, 0.8)), vec3(3.0, 2.75, 2.35), vec3(0.7, 0.8, 0.9), 0.002, 0.6);
}

vec3 sky(vec3 d) {
  vec3 blue = mix(vec3(0.72, 0.84, 0.96), vec3(0.2, 0.42, 0.78), smoothstep(0.0, 0.6, d.y));
  return mix(blue, vec3(1.0), 0.8 * smoothstep(0.58, 0.85, fractal(d.xz / (abs(d.y) + 0.2) * 1.7)));
}

float wheel(vec3 p, float radius, float halfWidth) {
  return cylinder(p.xzy, halfWidth, radius, 0.06);
}

// The middle of a crown in a row of trees behind the road.
vec3 treeAt(float place) {
  vec3 random = vec3(hash(vec2(place, 3.0)), hash(vec2(place, 1.0)), hash(vec2(place, 2.0)));
  return vec3(4.2 * place, 3.6, -9.0) + vec3(0.3, 0.8, -2.5) * random;
}

float leaves(vec3 p, float place, float next) {
  float d = min(ellipsoid(p - treeAt(place), vec3(1.9, 2.5, 2.0)), ellipsoid(p - treeAt(next), vec3(1.9, 2.5, 2.0)));
  d = min(d, box(p - vec3(0, 0.6, -13.5), vec3(60.0, 1.6, 1.0), 0.5));
  if (d > 1.0) return d - 0.5;
  return (d + 0.5 * (fractal(p * 1.8) - 0.5)) * 0.4;
}

vec2 bus(vec3 p) {
  vec3 q = vec3(p.xy, abs(p.z));
  // Rounded roof: the corners along x have a larger radius than the rest.
  float cabin = box(p - vec3(-1.0, 1.72, 0.0), vec3(3.9, 1.18, 1.2), 0.22);
  float hood = box(p - vec3(3.35, 1.08, 0.0), vec3(0.95, 0.5, 0.98), 0.16);
  hood = max(hood, dot(p - vec3(3.4, 1.6, 0.0), normalize(vec3(0.18, 1.0, 0.0))));
  float body = min(cabin, hood);
  float fender = max(cylinder((q - vec3(3.25, 0.56, 0.98)).xzy, 0.18, 0.74, 0.06), 0.35 - p.y);
  body = min(body, fender);
  float arches = min(length(q.xy - vec2(3.25, 0.5)), length(q.xy - vec2(-2.6, 0.5))) - 0.6;
  body = max(body, -max(arches, 0.6 - q.z));
  vec2 s = vec2(body, BODY);
  s = add(s, box(p - vec3(-0.2, 0.75, 0.0), vec3(4.0, 0.3, 0.8), 0.02), BLACK);
  // Rub rails.
  float rails = box(q - vec3(-1.0, 0.0, 1.21), vec3(3.75, 9.0, 0.02), 0.0);
  rails = max(rails, min(abs(q.y - 1.53), min(abs(q.y - 1.12), abs(q.y - 0.74))) - 0.045);
  s = add(s, max(rails, -max(arches, 0.6 - q.z)), BLACK);
  s = add(s, box(p - vec3(4.32, 0.62, 0.0), vec3(0.1, 0.16, 1.12), 0.05), BLACK);
  s = add(s, box(p - vec3(4.3, 1.12, 0.0), vec3(0.04, 0.24, 0.5), 0.02), CHROME);
  s = add(s, length((q - vec3(4.27, 1.16, 0.74)) * vec3(1.0, 1.0, 1.0)) - 0.15, LAMP);
  s = add(s, length(q - vec3(2.86, 2.66, 0.98)) - 0.12, RED_LAMP);
  s = add(s, length(q - vec3(2.86, 2.66, 0.68)) - 0.12, AMBER);
  // Mirrors on arms.
  s = add(s, limb(q, vec3(2.9, 1.9, 1.1), vec3(3.5, 2.0, 1.45), 0.02, 0.02), BLACK);
  s = add(s, box(q - vec3(3.5, 1.95, 1.48), vec3(0.05, 0.22, 0.13), 0.04), BLACK);
  // Stop sign, folded against the side.
  vec3 o = p - vec3(0.95, 1.34, 1.3);
  float octagon = max(max(abs(o.x), abs(o.y)), (abs(o.x) + abs(o.y)) * 0.7071) - 0.24;
  s = add(s, max(octagon, abs(o.z) - 0.02), SIGN);
  for (float x = -2.6; x < 4.0; x += 5.85) {
    vec3 w = q - vec3(x, 0.5, 0.98);
    s = add(s, wheel(w, 0.5, 0.17), TYRE);
    s = add(s, wheel(w - vec3(0, 0, 0.06), 0.27, 0.14), HUB);
  }
  return s;
}

vec2 scene(vec3 p) {
  vec2 s = vec2(p.y, abs(p.z - 1.2) < 4.4 ? ROAD : GRASS);
  if (s.y == GRASS) s.x = (p.y - 0.12 * smoothstep(4.4, 4.7, abs(p.z - 1.2))) * 0.8;
  if (p.z < -4.0) {
    float place = floor(p.x / 4.2 + 0.5), next = place + sign(p.x / 4.2 - place);
    s = add(s, leaves(p, place, next), LEAVES);
    s = add(s, cylinder(p - treeAt(place) * vec3(1, 0, 1), 2.6, 0.22, 0.05), TRUNK);
  } else {
    s = add(s, p.z + 5.5, LEAVES);
  }
  float bounds = box(p - vec3(-0.2, 1.5, 0.0), vec3(5.0, 1.7, 1.8), 0.0);
  if (bounds > 0.4) return add(s, bounds, BODY);
  vec2 b = bus(p);
  return add(s, b.x, b.y);
}

// Letters of 3x5 dots, from the top left, one bit each.
float letters(vec2 at) {
  const int glyphs[10] = int[](0x79CF, 0x7927, 0x5BED, 0x7B6F, 0x7B6F, 0x4927, 0x0, 0x6BAE, 0x5B6F, 0x79CF);
  int column = int(floor(at.x / 4.0));
  ivec2 bit = ivec2(int(floor(at.x)) - 4 * column, int(floor(at.y)));
  if (column < 0 || column > 9 || bit.x > 2 || bit.y < 0 || bit.y > 4) return 0.0;
  return float((glyphs[column] >> (14 - 3 * bit.y - bit.x)) & 1);
}

Material bodyPaint(vec3 p, vec3 normal) {
  Material dark = glossy(vec3(0.02, 0.025, 0.03), 0.02);
  dark.gloss = 0.1;
  Material paint = glossy(vec3(0.9, 0.41, 0.006), 0.12);
  if (abs(normal.z) > 0.8 && p.x < 2.7 && p.x > -4.6) {
    vec2 pane = vec2(abs(fract((p.x + 4.6) / 0.81) - 0.5), abs(p.y - 2.1));
    if (pane.x < 0.41 && pane.y < 0.34 && pane.y > 0.03) return dark;
  }
  // The door, on the right side.
  if (normal.x > 0.8 && p.x > 2.6) {
    if (p.y > 1.66 && p.y < 2.46 && abs(p.z) < 1.02 && abs(p.z) > 0.025) return dark;
    if (p.y > 2.52 && p.y < 2.8 && abs(p.z) < 0.5) {
      vec2 at = vec2(0.45 - p.z, 2.75 - p.y) * vec2(43.0, 27.0);
      if (letters(at) > 0.5) return matt(vec3(0.01));
    }
  }
  if (abs(normal.z) > 0.8 && p.x < 2.0 && p.y > 2.55 && p.y < 2.75) {
    vec2 at = vec2(sign(p.z) * (p.x + 1.4) + 0.9, 2.74 - p.y) * vec2(22.0, 28.0);
    if (letters(at) > 0.5) return matt(vec3(0.01));
  }
  return paint;
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == ROAD) {
    float line = step(abs(p.z - 3.4), 0.07) + step(abs(p.z + 2.9), 0.06);
    vec3 asphalt = vec3(0.15) * (0.7 + 0.6 * fractal(p.xz * 14.0)) * (0.8 + 0.4 * noise(p.xz * 0.7));
    return matt(mix(asphalt, vec3(0.75, 0.7, 0.55), min(line, 1.0)));
  }
  if (number == GRASS) {
    return matt(mix(vec3(0.07, 0.14, 0.02), vec3(0.2, 0.28, 0.06), fractal(p.xz * 3.0)));
  }
  if (number == LEAVES) return matt(mix(vec3(0.02, 0.055, 0.01), vec3(0.15, 0.26, 0.04), fractal(p * 3.3)));
  if (number == TRUNK) return matt(vec3(0.12, 0.08, 0.05));
  if (number == BODY) return bodyPaint(p, normal);
  if (number == BLACK) return glossy(vec3(0.012), 0.25);
  if (number == TYRE) return matt(vec3(0.025));
  if (number == HUB) return glossy(vec3(0.07), 0.3);
  if (number == CHROME) return metal(vec3(fract(p.y * 14.0) < 0.4 ? 0.05 : 0.75), 0.15);
  Material lamp = glossy(vec3(0.9), 0.05);
  if (number == AMBER) lamp.colour = vec3(0.95, 0.35, 0.02);
  if (number == RED_LAMP) lamp.colour = vec3(0.7, 0.02, 0.02);
  if (number == SIGN) return matt(vec3(0.65, 0.02, 0.02));
  return lamp;
}
