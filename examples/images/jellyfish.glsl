// A jellyfish in deep blue water.

const float BELL = 1.0, ARM = 2.0, THREAD = 3.0;

View camera() {
  return View(vec3(1.0, -0.2, 9.0), vec3(1.0, -0.75, 0.0), 3.3, 0.0,
              normalize(vec3(0.3, 1.0, 0.3)), vec3(1.2, 1.1, 1.0), vec3(0.01, 0.06, 0.3), 0.0, 0.75);
}

vec3 sky(vec3 d) {
  float beam = 0.5 + 0.5 * noise(vec2(d.x * 9.0 + d.y * 2.0, 1.0));
  vec3 water = mix(vec3(0.0, 0.012, 0.25), vec3(0.004, 0.12, 0.85), smoothstep(-0.45, 0.45, d.y + 0.08 * beam));
  return water * (0.85 + 0.3 * beam * smoothstep(-0.2, 0.5, d.y));
}

vec2 scene(vec3 p) {
  p.xy *= turn(0.95);
  float bounds = length(p * vec3(1.0, 0.4, 1.0) + vec3(0, 0.6, 0)) - 2.0;
  if (bounds > 0.5) return vec2(bounds, BELL);
  float around = atan(p.z, p.x);

  // The bell: half a shell, scalloped at its rim.
  float scallops = 0.06 * cos(16.0 * around);
  float outer = ellipsoid(p - vec3(0, -0.05, 0), vec3(1.42, 1.12, 1.42));
  float bell = max(abs(outer) - 0.025, -0.35 - scallops - p.y);
  vec2 s = vec2(bell * 0.75, BELL);

  // Four frilled arms under the bell.
  vec3 q = sectors(p, 4.0);
  float fall = clamp(-p.y, 0.0, 4.0);
  vec2 sway = 0.16 * vec2(sin(2.1 * p.y), cos(1.7 * p.y));
  float frill = 0.12 * sin(9.0 * p.y + 3.0 * around) * smoothstep(0.0, 1.0, fall);
  vec2 arm = q.xz - vec2(0.34 - 0.06 * fall, 0.0) - sway * fall * 0.5;
  float width = 0.26 * smoothstep(3.6, 0.4, fall);
  float arms = max(length(arm + frill) - width, max(-3.4 - p.y, p.y - 0.35));
  s = add(s, arms * 0.45, ARM);

  // Threads from the rim.
  vec3 t = sectors(p, 18.0);
  vec2 thread = t.xz - vec2(1.3 - 0.12 * fall + 0.14 * sin(2.2 * p.y + 0.5 * around), 0.1 * sin(3.1 * p.y));
  s = add(s, max(length(thread) - 0.009, max(-3.5 - p.y + 0.8 * sin(5.0 * around), p.y + 0.3)) * 0.6, THREAD);
  return s;
}

Material material(float number, vec3 p, vec3 normal) {
  p.xy *= turn(0.95);
  float around = atan(p.z, p.x);
  vec3 toEye = normalize(camera().eye - p);
  float rim = pow(1.0 - abs(dot(normal, toEye)), 2.0);
  Material m = glossy(vec3(0.95, 0.35, 0.08), 0.1);
  if (number == BELL) {
    float rays = smoothstep(0.75, 1.0, cos(16.0 * around)) * smoothstep(0.2, 1.1, length(p.xz));
    vec3 colour = mix(vec3(0.9, 0.13, 0.01), vec3(1.0, 0.4, 0.08), rim);
    m.glow = colour * (0.18 + 0.5 * rim + 0.25 * rays);
    m.opacity = 0.28 + 0.5 * rim + 0.3 * rays;
  } else if (number == ARM) {
    m.colour = vec3(0.95, 0.5, 0.25);
    m.glow = vec3(0.6, 0.18, 0.05) * (0.3 + 0.7 * rim);
    m.opacity = 0.5 + 0.4 * rim;
  } else {
    m.glow = vec3(0.4, 0.12, 0.03);
    m.opacity = 0.8;
  }
  return m;
}
