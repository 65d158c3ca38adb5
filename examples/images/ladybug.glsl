// A ladybug on a leaf, close up.

const float LEAF = 1.0, SHELL = 2.0, HEAD = 3.0, LEG = 4.0;

View camera() {
  return View(vec3(-3.4, 4.6, 5.6), vec3(-0.12, 0.45, 0.05), 4.3, 0.12,
              normalize(vec3(-0.45, 0.9, 0.3)), vec3(2.4, 2.3, 2.0), vec3(0), 0.0, 0.56);
}

vec3 sky(vec3 d) {
  vec3 green = mix(vec3(0.03, 0.1, 0.015), vec3(0.22, 0.42, 0.09), fractal(d * 3.0));
  vec3 light = mix(green, vec3(0.85, 0.95, 1.0), smoothstep(0.1, 0.7, d.y));
  return light + 6.0 * smoothstep(0.93, 0.96, dot(d, normalize(vec3(-0.5, 0.9, 0.1))));
}

float leafHeight(vec2 p) {
  float rib = smoothstep(0.12, 0.0, abs(p.y + 0.5 * p.x - 0.2));
  float veins = smoothstep(0.1, 0.0, abs(fract(0.55 * (p.x - 0.6 * abs(p.y + 0.5 * p.x - 0.2))) - 0.5));
  return 0.05 * sin(1.3 * p.x) + 0.06 * sin(1.7 * p.y + 0.6) - 0.04 * dot(p, p) * 0.3 - 0.05 * rib - 0.02 * veins;
}

float leg(vec3 p, vec3 hip, vec3 knee, vec3 foot) {
  return min(limb(p, hip, knee, 0.06, 0.045), limb(p, knee, foot, 0.045, 0.025));
}

vec2 scene(vec3 p) {
  float edge = length((p.xz - vec2(0.2, 0)) * turn(0.46) * vec2(0.42, 1.0)) - 2.3;
  vec2 s = vec2(max(abs(p.y - leafHeight(p.xz)) - 0.015, edge) * 0.75, LEAF);
  float bounds = length(p - vec3(-0.2, 0.4, 0)) - 1.75;
  if (bounds > 0.3) return add(s, bounds, SHELL);

  // The beetle looks to -x.
  vec3 q = vec3(p.xy, abs(p.z));
  float shell = max(ellipsoid(p - vec3(0.12, 0.22, 0), vec3(1.05, 0.82, 0.9)), 0.16 - p.y);
  shell += 0.02 * smoothstep(0.03, 0.0, abs(p.z)) * step(-0.85, p.x);
  s = add(s, shell * 0.9, SHELL);
  float head = max(ellipsoid(p - vec3(-0.88, 0.3, 0), vec3(0.34, 0.36, 0.56)), 0.1 - p.y);
  head = min(head, ellipsoid(p - vec3(-1.17, 0.24, 0), vec3(0.22, 0.2, 0.28)));
  s = add(s, head, HEAD);
  float legs = leg(q, vec3(-0.7, 0.2, 0.5), vec3(-0.85, 0.3, 1.0), vec3(-1.05, 0.02, 1.2));
  legs = min(legs, leg(q, vec3(0.0, 0.2, 0.7), vec3(0.02, 0.3, 1.15), vec3(-0.05, 0.0, 1.4)));
  legs = min(legs, leg(q, vec3(0.6, 0.2, 0.6), vec3(0.8, 0.3, 1.0), vec3(1.0, 0.0, 1.22)));
  legs = min(legs, leg(q, vec3(-1.3, 0.28, 0.12), vec3(-1.5, 0.42, 0.32), vec3(-1.62, 0.36, 0.5)));
  s = add(s, legs, LEG);
  return s;
}

float spot(vec3 p, vec2 at, float radius) {
  return smoothstep(radius, radius - 0.03, length(vec2(p.x, abs(p.z)) - at));
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == LEAF) {
    float rib = smoothstep(0.07, 0.0, abs(p.z + 0.5 * p.x - 0.2));
    float veins = smoothstep(0.05, 0.0, abs(fract(0.55 * (p.x - 0.6 * abs(p.z + 0.5 * p.x - 0.2))) - 0.5));
    vec3 green = mix(vec3(0.07, 0.22, 0.02), vec3(0.16, 0.36, 0.04), fractal(p.xz * 4.0));
    return glossy(mix(green, vec3(0.32, 0.5, 0.14), max(rib, 0.6 * veins)), 0.35);
  }
  if (number == SHELL) {
    float black = max(max(spot(p, vec2(-0.28, 0.42), 0.17), spot(p, vec2(0.28, 0.3), 0.2)), spot(p, vec2(0.72, 0.42), 0.15));
    black = max(black, max(spot(p, vec2(-0.78, 0.0), 0.18), smoothstep(0.02, 0.008, abs(p.z))));
    vec3 red = mix(vec3(0.7, 0.012, 0.004), vec3(0.75, 0.05, 0.006), noise(p * 3.0));
    return glossy(mix(red, vec3(0.006), black), 0.03);
  }
  bool white = p.x > -1.12 && abs(p.z) > 0.28 && p.y > 0.25 && p.x < -0.78;
  white = white || (p.x < -1.15 && length(vec2(abs(p.z) - 0.15, p.y - 0.36)) < 0.07);
  if (number == HEAD) return glossy(white ? vec3(0.8, 0.78, 0.7) : vec3(0.008), 0.08);
  return glossy(vec3(0.012, 0.01, 0.008), 0.2);
}
