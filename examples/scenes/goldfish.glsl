// A goldfish in an aquarium, seen from the side. It swims to the left.

const float BED = 1.0, BODY = 2.0, FIN = 3.0, EYE = 4.0, PLANT = 5.0;

View camera() {
  return View(vec3(-0.9, 0.35, 7.0), vec3(0.28, -0.02, 0.0), 4.2, 0.09,
              normalize(vec3(-0.25, 1.0, 0.45)), vec3(2.6, 2.6, 2.3), vec3(0.05, 0.24, 0.26), 0.035, 0.62);
}

vec3 sky(vec3 d) {
  return mix(vec3(0.02, 0.12, 0.14), vec3(0.35, 0.75, 0.72), smoothstep(-0.35, 0.9, d.y));
}

// Distance to a thin sheet with the outline d, at depth z.
float sheet(float d, float z) {
  return max(d, abs(z) - 0.012) * 0.7;
}

float fins(vec3 p) {
  vec2 q = p.xy;
  float wave = 0.13 * sin(3.2 * q.x + 2.0 * q.y);
  float tail = limb(q, vec2(1.15, 0.05), vec2(2.0, 0.62), 0.1, 0.3);
  tail = min(tail, limb(q, vec2(1.15, 0.0), vec2(2.05, -0.5), 0.1, 0.3));
  tail = blend(tail, limb(q, vec2(1.1, 0.02), vec2(1.6, 0.05), 0.1, 0.2), 0.15);
  float d = sheet(tail, p.z - wave * smoothstep(1.0, 1.8, q.x) * 1.6);
  float back = blend(limb(q, vec2(-0.35, 0.5), vec2(-0.1, 0.95), 0.15, 0.1), limb(q, vec2(0.1, 0.55), vec2(0.6, 0.72), 0.22, 0.1), 0.35);
  d = min(d, sheet(back, p.z - 0.05 * sin(5.0 * q.x)));
  float side = abs(p.z);
  float belly = limb(q, vec2(-0.2, -0.5), vec2(0.12, -0.98), 0.1, 0.16);
  d = min(d, sheet(belly, side - 0.16 + 0.25 * (q.y + 0.5)));
  float rear = limb(q, vec2(0.62, -0.36), vec2(0.98, -0.72), 0.1, 0.15);
  d = min(d, sheet(rear, side - 0.07 + 0.2 * (q.y + 0.4)));
  float chest = limb(q, vec2(-0.5, -0.2), vec2(-0.08, -0.46), 0.07, 0.17);
  return min(d, sheet(chest, side - 0.46 - 0.5 * (q.x + 0.5)));
}

float body(vec3 p) {
  float d = ellipsoid(p - vec3(-0.1, -0.02, 0), vec3(0.98, 0.62, 0.42));
  d = blend(d, ellipsoid(p - vec3(-0.62, -0.02, 0), vec3(0.55, 0.42, 0.34)), 0.2);
  d = blend(d, limb(p, vec3(0.4, 0.03, 0), vec3(1.25, 0.03, 0), 0.3, 0.1), 0.35);
  // Lips, then the edge of the gill cover.
  d = blend(d, length(p - vec3(-1.15, -0.03, 0)) - 0.09, 0.12);
  d = max(d, -(length(p - vec3(-1.26, -0.04, 0)) - 0.05));
  float gill = abs(length((p.xy - vec2(-0.72, 0.02)) * vec2(1.0, 0.85)) - 0.36);
  return d + 0.018 * smoothstep(0.04, 0.0, gill) * step(-0.75, p.x) * smoothstep(-0.45, -0.2, p.y);
}

vec2 scene(vec3 p) {
  vec2 s = vec2(9.0, BODY);
  float bed = p.y + 1.75 + 0.05 * p.z;
  if (bed < 0.4) bed -= 0.22 * sqrt(max(0.0, 0.36 - pow(scattered(p.xz * 3.2).x, 2.0)));
  s = add(s, bed * 0.5, BED);
  // Water plants behind the fish.
  vec3 q = p - vec3(0, 0, -3.2);
  q.z += 1.3 * sin(floor(q.x / 0.7 + 0.5) * 2.3);
  float cell = clamp(floor(q.x / 0.7 + 0.5), -6.0, 6.0);
  q.x -= cell * 0.7 + 0.18 * sin(1.7 * p.y + cell * 2.1);
  float height = 0.2 + 1.4 * hash(vec2(cell, 5.0));
  float blade = length(vec3(q.x * 0.55, p.y - clamp(p.y, -2.0, height), q.z * 2.0)) - 0.075 * smoothstep(height + 0.3, -1.0, p.y) - 0.02;
  // Short steps among the plants, because the distance leaves out those of other cells.
  s = add(s, max(min(blade * 0.5, 0.2), abs(p.z + 3.2) - 1.7), PLANT);

  float bounds = length((p - vec3(0.4, 0, 0)) * vec3(0.62, 1.0, 1.0)) - 1.25;
  if (bounds > 0.3) return add(s, bounds, BODY);
  s = add(s, fins(p), FIN);
  s = add(s, body(p) * 0.85, BODY);
  vec3 e = vec3(p.xy, abs(p.z)) - vec3(-0.83, 0.11, 0.255);
  s = add(s, length(e) - 0.1, EYE);
  return s;
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == BED) {
    vec2 pebble = scattered(p.xz * 3.2);
    vec3 colour = mix(vec3(0.1, 0.085, 0.07), vec3(0.32, 0.28, 0.23), pebble.y);
    return matt(colour * (0.8 + 0.4 * noise(p * 20.0)));
  }
  if (number == PLANT) return matt(mix(vec3(0.02, 0.12, 0.02), vec3(0.12, 0.4, 0.05), noise(p * 3.0)));
  if (number == EYE) {
    float r = length(p.xy - vec2(-0.84, 0.115));
    vec3 colour = r < 0.055 ? vec3(0.005) : mix(vec3(0.9, 0.55, 0.12), vec3(0.3, 0.12, 0.02), smoothstep(0.06, 0.1, r));
    return glossy(colour, 0.02);
  }
  if (number == FIN) {
    // Fin rays spread from the body.
    float angle = p.x > 1.0 ? atan(p.y, p.x - 0.85) : atan(p.x + 0.4, abs(p.y) + 0.1);
    float ray = 0.5 + 0.5 * sin(angle * 70.0);
    float outer = smoothstep(0.0, 0.7, p.x > 1.0 ? p.x - 1.2 : abs(p.y) - 0.45);
    Material fin = glossy(mix(vec3(0.85, 0.09, 0.003), vec3(0.95, 0.27, 0.05), 0.6 * outer + 0.3 * ray), 0.3);
    fin.opacity = 0.92 - 0.45 * outer + 0.2 * ray;
    fin.glow = vec3(0.16, 0.045, 0.003);
    return fin;
  }
  // Scales in staggered rows, brighter at their edge.
  vec2 cell = vec2(p.x * 11.0, p.y * 13.0);
  cell.x += 0.5 * mod(floor(cell.y), 2.0);
  vec2 f = fract(cell) - vec2(0.1, 0.5);
  float scale = smoothstep(0.45, 0.75, length(f * vec2(0.9, 1.1)));
  float shown = smoothstep(-0.5, -0.35, p.x);
  vec3 flank = mix(vec3(0.92, 0.14, 0.004), vec3(0.8, 0.06, 0.002), smoothstep(0.0, 0.5, p.y));
  flank = mix(flank, vec3(0.95, 0.34, 0.06), smoothstep(-0.1, -0.5, p.y));
  flank *= 1.0 - 0.4 * scale * shown;
  flank = mix(flank, vec3(0.95, 0.24, 0.02), 0.25 * noise(p * 5.0));
  return glossy(flank, 0.22 + 0.2 * scale);
}
