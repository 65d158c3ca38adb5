// A white lighthouse with red bands on a rocky headland above the sea.

const float SEA = 1.0, LAND = 2.0, TOWER = 3.0, IRON = 4.0, GLASS = 5.0, RED = 6.0, HOUSE = 7.0;

View camera() {
  return View(vec3(7.0, 1.7, 11.5), vec3(0.0, 3.35, 0.0), 3.35, 0.0,
              normalize(vec3(0.75, 0.62, 0.55)), vec3(2.9, 2.65, 2.2), vec3(0.62, 0.76, 0.92), 0.003, 0.62);
}

vec3 sky(vec3 d) {
  vec3 blue = mix(vec3(0.62, 0.78, 0.95), vec3(0.12, 0.32, 0.72), smoothstep(-0.05, 0.55, d.y));
  float cloud = fractal(d.xz / (abs(d.y) + 0.18) * 1.5 + 4.0);
  return mix(blue, vec3(1.5), 0.85 * smoothstep(0.55, 0.8, cloud) * smoothstep(0.02, 0.15, d.y));
}

float landHeight(vec2 p) {
  float r = length(p * vec2(0.72, 1.0));
  float plateau = 1.45 * smoothstep(4.3, 2.5, r + 0.8 * noise(p * 0.9)) - 0.45;
  float crags = fractal(p * 1.3) - 0.5;
  return plateau + crags * mix(0.1, 1.1, smoothstep(2.2, 3.4, r));
}

vec2 scene(vec3 p) {
  float waves = p.y > 0.3 ? 0.0 : 0.09 * fractal(p.xz * vec2(1.1, 2.0)) + 0.03 * noise(p.xz * 9.0);
  vec2 s = vec2((p.y - waves) * 0.9, SEA);
  float island = max(length(p.xz) - 5.5, p.y - 1.9);
  s = add(s, island > 0.3 ? island : (p.y - landHeight(p.xz)) * 0.3, LAND);

  float bounds = max(length(p.xz - vec2(0.6, 0.0)) - 3.0, p.y - 7.2);
  if (bounds > 0.5) return add(s, bounds, TOWER);
  s = add(s, cone(p - vec3(0, 3.1, 0), 2.25, 0.86, 0.56, 0.02), TOWER);
  s = add(s, cylinder(p - vec3(0, 1.0, 0), 0.22, 1.02, 0.04), TOWER);
  s = add(s, 0.7 * cone(p - vec3(0, 5.3, 0), 0.16, 0.56, 0.84, 0.02), TOWER);
  s = add(s, cylinder(p - vec3(0, 5.5, 0), 0.05, 0.9, 0.02), IRON);
  float rail = min(ring(p - vec3(0, 5.95, 0), 0.85, 0.022), ring(p - vec3(0, 5.74, 0), 0.85, 0.015));
  vec3 post = sectors(p, 20.0) - vec3(0.85, 5.74, 0);
  s = add(s, min(rail, box(post, vec3(0.014, 0.22, 0.014), 0.0)), IRON);
  s = add(s, cylinder(p - vec3(0, 5.62, 0), 0.12, 0.5, 0.01), TOWER);
  s = add(s, cylinder(p - vec3(0, 6.05, 0), 0.36, 0.42, 0.01), GLASS);
  vec3 bar = sectors(p, 10.0) - vec3(0.43, 6.05, 0);
  s = add(s, box(bar, vec3(0.02, 0.36, 0.018), 0.0), IRON);
  s = add(s, 0.6 * cone(p - vec3(0, 6.6, 0), 0.2, 0.6, 0.12, 0.02), RED);
  s = add(s, length(p - vec3(0, 6.86, 0)) - 0.11, RED);
  s = add(s, limb(p, vec3(0, 6.8, 0), vec3(0, 7.3, 0), 0.025, 0.01), IRON);

  vec3 h = p - vec3(2.1, 1.35, 0.1);
  s = add(s, box(h, vec3(0.85, 0.45, 0.6), 0.01), HOUSE);
  float roof = max(dot(vec2(abs(h.z), h.y - 0.95), normalize(vec2(0.7, 0.9))) - 0.02, max(abs(h.x) - 0.95, 0.4 - h.y));
  s = add(s, roof, RED);
  s = add(s, box(h - vec3(0.45, 0.85, -0.1), vec3(0.1, 0.3, 0.1), 0.01), TOWER);
  return s;
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == SEA) {
    float foam = smoothstep(0.18, 0.02, -landHeight(p.xz)) * smoothstep(0.35, 0.7, fractal(p.xz * 3.0));
    return glossy(mix(vec3(0.012, 0.09, 0.14), vec3(0.85), foam), 0.08 + 0.5 * foam);
  }
  if (number == LAND) {
    float flatness = smoothstep(0.62, 0.9, normal.y) * smoothstep(0.35, 0.7, p.y);
    vec3 rock = mix(vec3(0.07, 0.06, 0.05), vec3(0.32, 0.27, 0.22), fractal(p * vec3(2.0, 6.0, 2.0)));
    rock *= mix(0.35, 1.0, smoothstep(0.05, 0.3, p.y));
    vec3 grass = mix(vec3(0.06, 0.12, 0.02), vec3(0.18, 0.22, 0.05), fractal(p.xz * 5.0));
    return matt(mix(rock, grass, flatness));
  }
  if (number == TOWER) {
    float band = step(0.5, fract((p.y - 1.27) / 1.65));
    float weather = 0.86 + 0.14 * fractal(p * vec3(4.0, 1.0, 4.0));
    vec3 colour = mix(vec3(0.88, 0.86, 0.82), vec3(0.62, 0.035, 0.03), p.y < 5.15 && p.y > 1.25 ? band : 0.0);
    vec2 side = vec2(atan(p.x, p.z) - 0.5, 0.0);
    bool window = abs(side.x) < 0.14 && abs(fract((p.y - 2.3) / 1.2) - 0.2) < 0.17 && p.y > 2.2 && p.y < 5.0;
    if (window) return glossy(vec3(0.03, 0.04, 0.05), 0.02);
    return matt(colour * weather);
  }
  if (number == IRON) return glossy(vec3(0.025), 0.3);
  if (number == GLASS) {
    Material glass = glossy(vec3(0.06, 0.08, 0.09), 0.01);
    glass.gloss = 0.25;
    glass.glow = vec3(1.5, 1.1, 0.5) * smoothstep(0.3, 0.0, abs(p.y - 6.05)) * smoothstep(0.1, 0.9, normal.z);
    return glass;
  }
  if (number == RED) return matt(vec3(0.5, 0.04, 0.03) * (0.8 + 0.3 * step(0.5, fract(p.x * 9.0))));
  vec3 h = p - vec3(2.1, 1.35, 0.1);
  bool pane = h.z > 0.55 && abs(abs(h.x) - 0.45) < 0.15 && abs(h.y - 0.05) < 0.17;
  if (pane) return glossy(vec3(0.04, 0.05, 0.07), 0.02);
  return matt(vec3(0.85, 0.83, 0.78));
}
