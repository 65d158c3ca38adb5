// A pizza with salami, olives and basil on a wooden board.

const float TABLE = 1.0, BOARD = 2.0, CRUST = 3.0, CHEESE = 4.0, SALAMI = 5.0, OLIVE = 6.0, BASIL = 7.0;

View camera() {
  return View(vec3(0.6, 5.4, 4.3), vec3(0.0, 0.05, 0.1), 4.15, 0.05,
              normalize(vec3(-0.6, 0.75, -0.35)), vec3(2.3, 2.05, 1.7), vec3(0), 0.0, 0.66);
}

vec3 sky(vec3 d) {
  return mix(vec3(0.35, 0.3, 0.26), vec3(0.75, 0.8, 0.9), smoothstep(-0.1, 0.9, d.y)) + 2.5 * smoothstep(0.8, 0.95, -d.x);
}

// The place of the topping nearest to p, on a ring of `count` places with some disorder.
vec2 placeOnRing(vec2 p, float count, float radius, float phase) {
  float sector = floor((atan(p.y, p.x) / (2.0 * PI) - phase) * count + 0.5);
  float random = hash(vec2(mod(sector, count), count + 3.0));
  float angle = (sector / count + phase) * 2.0 * PI + 0.25 * (random - 0.5);
  return (radius + 0.12 * (random - 0.5)) * vec2(cos(angle), sin(angle));
}

float salami(vec3 p, vec2 at) {
  vec3 q = p - vec3(at.x, 0.3, at.y);
  q.y -= 0.35 * dot(q.xz, q.xz) * (0.7 + 0.6 * hash(at));
  q.xy *= turn(0.12 * (hash(at + 1.0) - 0.5));
  return cylinder(q, 0.018, 0.27, 0.012) * 0.85;
}

float leaf(vec3 p, vec2 at, float angle) {
  vec3 q = p - vec3(at.x, 0.36, at.y);
  q.xz *= turn(angle);
  q.y += 0.5 * q.z * q.z - 0.12 * abs(q.z) + 0.25 * q.x * q.x;
  return ellipsoid(q, vec3(0.26, 0.022, 0.14)) * 0.7;
}

vec2 scene(vec3 p) {
  vec2 s = vec2(p.y + 0.12, TABLE);
  vec3 b = p;
  float board = cylinder(b - vec3(0, -0.06, 0), 0.06, 1.95, 0.03);
  board = min(board, box(b - vec3(2.3, -0.06, -0.4), vec3(0.6, 0.06, 0.22), 0.05));
  s = add(s, board, BOARD);
  float bounds = cylinder(p - vec3(0, 0.2, 0), 0.25, 1.8, 0.0);
  if (bounds > 0.2) return add(s, bounds, CRUST);

  float angle = atan(p.z, p.x);
  float wobble = 0.05 * sin(3.0 * angle + 1.0) + 0.03 * sin(7.0 * angle);
  float r = length(p.xz) - wobble;
  float bump = abs(r - 1.56) < 0.4 ? fractal(p * 3.5) - 0.5 : 0.0;
  float rim = length(vec2((r - 1.56) * 0.8, p.y - 0.13)) - 0.15 - 0.09 * bump;
  float base = max(abs(p.y - 0.08) - 0.08, r - 1.55);
  s = add(s, min(rim, base) * 0.7, CRUST);
  float melt = 0.24 + 0.06 * (fractal(p.xz * 3.0) - 0.5) + 0.025 * noise(p.xz * 11.0);
  s = add(s, max(p.y - melt, r - 1.47 - 0.12 * (noise(p.xz * 5.0) - 0.5)) * 0.6, CHEESE);
  s = add(s, salami(p, placeOnRing(p.xz, 8.0, 1.05, 0.03)), SALAMI);
  s = add(s, salami(p, placeOnRing(p.xz, 3.0, 0.42, 0.1)), SALAMI);
  vec2 o = placeOnRing(p.xz, 9.0, 0.78, 0.06);
  s = add(s, ring(p - vec3(o.x, 0.31, o.y), 0.075, 0.042), OLIVE);
  o = placeOnRing(p.xz, 7.0, 1.36, 0.0);
  s = add(s, ring(p - vec3(o.x, 0.31, o.y), 0.075, 0.042), OLIVE);
  s = add(s, leaf(p, vec2(0.05, 0.02), 0.6), BASIL);
  s = add(s, leaf(p, vec2(-0.15, 0.16), 2.3), BASIL);
  s = add(s, leaf(p, vec2(0.72, 0.62), 1.2), BASIL);
  s = add(s, leaf(p, vec2(-0.85, -0.35), 0.2), BASIL);
  return s;
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == TABLE) {
    float grain = fractal(vec2(p.x * 6.0, p.z * 0.5) + 0.5 * noise(p.xz * 0.7));
    return glossy(mix(vec3(0.09, 0.05, 0.03), vec3(0.2, 0.12, 0.075), grain), 0.4);
  }
  if (number == BOARD) {
    float grain = fractal(vec2(p.x * 0.6, p.z * 8.0) + 0.5 * noise(p.xz));
    return matt(mix(vec3(0.42, 0.24, 0.11), vec3(0.68, 0.46, 0.25), grain));
  }
  if (number == CRUST) {
    float baked = fractal(p * 3.0 + 4.0) + 0.5 * (p.y - 0.1);
    vec3 dough = mix(vec3(0.85, 0.6, 0.3), vec3(0.5, 0.22, 0.06), smoothstep(0.35, 0.62, baked));
    return matt(mix(dough, vec3(0.1, 0.04, 0.015), smoothstep(0.62, 0.75, fractal(p * 5.0))));
  }
  if (number == CHEESE) {
    float sauce = smoothstep(0.47, 0.6, fractal(p.xz * 3.2 + 9.0) + 0.35 * smoothstep(1.2, 1.5, length(p.xz)));
    vec3 cheese = mix(vec3(1.0, 0.74, 0.26), vec3(0.95, 0.5, 0.1), noise(p.xz * 6.0));
    cheese = mix(cheese, vec3(0.5, 0.2, 0.05), 0.7 * smoothstep(0.62, 0.78, fractal(p.xz * 6.0)));
    return glossy(mix(cheese, vec3(0.62, 0.07, 0.015), sauce), 0.3);
  }
  if (number == SALAMI) {
    vec3 meat = mix(vec3(0.55, 0.07, 0.035), vec3(0.32, 0.03, 0.015), noise(p.xz * 7.0));
    return glossy(mix(meat, vec3(0.8, 0.4, 0.3), smoothstep(0.66, 0.76, noise(p.xz * 26.0))), 0.3);
  }
  if (number == OLIVE) return glossy(vec3(0.015, 0.012, 0.014), 0.12);
  return glossy(vec3(0.05, 0.22, 0.02) * (0.7 + 0.6 * noise(p * 9.0)), 0.25);
}
