// A cup of espresso on its saucer, with coffee beans on the table.

const float TABLE = 1.0, CHINA = 2.0, COFFEE = 3.0, BEAN = 4.0, SPOON = 5.0;

View camera() {
  return View(vec3(0.8, 4.3, 5.2), vec3(0.05, 0.42, 0.0), 4.4, 0.07,
              normalize(vec3(-0.7, 0.8, -0.25)), vec3(1.9, 1.75, 1.5), vec3(0), 0.0, 0.58);
}

vec3 sky(vec3 d) {
  vec3 room = mix(vec3(0.25, 0.2, 0.17), vec3(0.6, 0.6, 0.62), smoothstep(-0.1, 0.9, d.y));
  return room + vec3(3.0, 3.1, 3.2) * smoothstep(0.75, 0.8, dot(d, normalize(vec3(-0.8, 0.5, -0.35))));
}

float cup(vec3 p) {
  float outer = cone(p - vec3(0, 0.62, 0), 0.5, 0.52, 0.88, 0.1);
  float inner = cone(p - vec3(0, 0.72, 0), 0.5, 0.46, 0.82, 0.1);
  float d = max(outer, -inner);
  d = min(d, ring(p - vec3(0, 1.1, 0), 0.845, 0.032));
  vec3 h = p - vec3(0.88, 0.68, 0.12);
  h.xz *= turn(0.14);
  float handle = length(vec2(length(h.xy * vec2(0.95, 1.1)) - 0.28, h.z)) - 0.065;
  return blend(d, max(handle, -(length(p.xz) - 0.66)), 0.05);
}

float saucer(vec3 p) {
  float r = length(p.xz);
  float height = 0.06 + 0.13 * smoothstep(0.6, 1.5, r);
  return max(abs(p.y - height) - 0.028, r - 1.55) * 0.8;
}

float bean(vec3 p, vec2 at, float angle) {
  vec3 q = p - vec3(at.x, 0.09, at.y);
  q.xz *= turn(angle);
  float d = ellipsoid(q, vec3(0.2, 0.1, 0.14));
  return max(d, -(length(q.yz - vec2(0.1, 0.02 * sin(12.0 * q.x))) - 0.025));
}

vec2 scene(vec3 p) {
  vec2 s = vec2(p.y, TABLE);
  s = add(s, saucer(p), CHINA);
  s = add(s, cup(p) * 0.9, CHINA);
  s = add(s, cylinder(p - vec3(0, 0.9, 0), 0.03, 0.72, 0.0), COFFEE);
  vec3 q = p - vec3(0.25, 0.24, 1.12);
  q.xz *= turn(0.25);
  float spoon = limb(q, vec3(-0.5, 0, 0), vec3(1.3, 0.08, 0), 0.035, 0.05);
  spoon = min(spoon, max(abs(ellipsoid(q - vec3(-0.72, 0.05, 0), vec3(0.32, 0.12, 0.2))) - 0.015, q.y - 0.05));
  s = add(s, spoon * 0.8, SPOON);
  float beans = min(bean(p, vec2(-1.75, 1.1), 0.5), bean(p, vec2(-1.42, 1.4), 2.0));
  beans = min(beans, min(bean(p, vec2(-1.95, 0.7), 1.2), bean(p, vec2(1.75, -1.0), 0.2)));
  beans = min(beans, min(bean(p, vec2(1.98, -0.66), 2.4), bean(p, vec2(-1.6, -1.2), 2.9)));
  s = add(s, beans * 0.9, BEAN);
  return s;
}

Material material(float number, vec3 p, vec3 normal) {
  if (number == TABLE) {
    float grain = fractal(vec2(p.x * 0.6, p.z * 6.0) + 0.6 * noise(p.xz * 0.8));
    return glossy(mix(vec3(0.1, 0.05, 0.025), vec3(0.3, 0.17, 0.09), grain), 0.3);
  }
  if (number == CHINA) return glossy(vec3(0.86, 0.85, 0.83), 0.02);
  if (number == COFFEE) {
    float r = length(p.xz);
    vec2 swirl = p.xz * turn(2.5 * r);
    float crema = fractal(swirl * 3.5) + 0.25 * smoothstep(0.4, 0.78, r);
    vec3 colour = mix(vec3(0.11, 0.04, 0.012), vec3(0.62, 0.34, 0.12), smoothstep(0.3, 0.75, crema));
    colour = mix(colour, vec3(0.8, 0.55, 0.28), 0.5 * smoothstep(0.7, 0.8, noise(p.xz * 30.0)) * smoothstep(0.5, 0.75, r));
    return glossy(colour, 0.12);
  }
  if (number == BEAN) return glossy(vec3(0.06, 0.025, 0.012) * (0.7 + 0.6 * noise(p * 9.0)), 0.25);
  return metal(vec3(0.85), 0.08);
}
