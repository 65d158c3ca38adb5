// A path tracer for scenes of distance functions. Each scene defines:
//   vec2 scene(vec3 p)                                   distance to the nearest surface, number of its material
//   Material material(float number, vec3 p, vec3 normal)
//   vec3 sky(vec3 direction)                             light from outside the scene
//   View camera()

const float FAR = 120.0;
const int MAX_BOUNCES = 3;
const int MAX_SURFACES = 16;  // with those that let the ray through

uint randomState;

// PCG hash: https://jcgt.org/published/0009/03/02/
float random() {
  randomState = randomState * 747796405u + 2891336453u;
  uint word = ((randomState >> ((randomState >> 28u) + 4u)) ^ randomState) * 277803737u;
  return float((word >> 22u) ^ word) / 4294967296.0;
}

vec2 randomInDisc() {
  float angle = 2.0 * PI * random();
  return sqrt(random()) * vec2(cos(angle), sin(angle));
}

vec3 randomOnSphere() {
  float z = 2.0 * random() - 1.0, angle = 2.0 * PI * random();
  return vec3(sqrt(1.0 - z * z) * vec2(cos(angle), sin(angle)), z);
}

// Distance along a ray to the first surface after t, or FAR. `side` is 1 outside of shapes and -1 inside.
float march(vec3 origin, vec3 direction, float t, float side) {
  for (int i = 0; i < 220 && t < FAR; i++) {
    float d = side * scene(origin + t * direction).x;
    if (d < 0.0004 * (1.0 + t)) return t;
    t += d;
  }
  return min(t, FAR);
}

// Gradient of the distance over the corners of a tetrahedron. A loop, so that the compiler does not copy scene() four times.
vec3 normalAt(vec3 p) {
  vec3 sum = vec3(0);
  for (int i = 0; i < 4; i++) {
    vec3 corner = 2.0 * vec3(((i + 3) >> 1) & 1, (i >> 1) & 1, i & 1) - 1.0;
    sum += corner * scene(p + 0.0008 * corner).x;
  }
  return normalize(sum);
}

vec3 trace(vec3 origin, vec3 direction, View view) {
  vec3 light = vec3(0), weight = vec3(1);
  bool seesSun = true;
  float start = 0.0, side = 1.0;
  int bounces = 0;
  for (int i = 0; i < MAX_SURFACES && bounces < MAX_BOUNCES; i++) {
    float t = march(origin, direction, start, side);
    if (t >= FAR) {
      vec3 sun = view.sunColour * 8.0 * pow(max(dot(direction, view.sun), 0.0), 600.0);
      return light + weight * (sky(direction) + (seesSun ? sun : vec3(0)));
    }
    vec3 p = origin + t * direction;
    float clear = exp(-view.haze * t);
    light += weight * (1.0 - clear) * view.hazeColour;
    weight *= clear;

    vec3 normal = normalAt(p);
    Material m = material(scene(p).y, p, normal);
    if (dot(normal, direction) > 0.0) normal = -normal;
    light += weight * m.glow;
    if (random() > m.opacity) {
      origin = p;
      start = 0.01;
      side = -side;
      continue;
    }
    float facing = 1.0 - max(dot(-direction, normal), 0.0);
    float reflectance = m.gloss == 0.0 ? 0.0 : mix(m.gloss, 1.0, (1.0 - m.roughness) * pow(facing, 5.0));
    // A third of the camera's rays follow the reflection, so that faint highlights are not left to chance.
    float chance = bounces == 0 && reflectance > 0.0 ? max(reflectance, 0.33) : reflectance;
    bounces++;
    if (random() < chance) {
      weight *= reflectance / chance;
      direction = normalize(reflect(direction, normal) + m.roughness * randomOnSphere());
      if (m.metal) weight *= m.colour;
      seesSun = m.roughness < 0.1;  // A rough surface would meet the sun rarely, which leaves bright specks.
    } else {
      weight *= m.colour * (1.0 - reflectance) / (1.0 - chance);
      vec3 toSun = normalize(view.sun + 0.04 * randomOnSphere());
      float lit = max(dot(normal, toSun), 0.0);
      if (lit > 0.0 && march(p + 0.002 * normal, toSun, 0.002, 1.0) >= FAR) light += weight * lit * view.sunColour;
      direction = normalize(normal + randomOnSphere());
      seesSun = false;
    }
    origin = p + 0.002 * normal;
    start = 0.0;
    side = 1.0;
  }
  return light;
}

// Filmic tone curve: https://knarkowicz.wordpress.com/2016/01/06/aces-filmic-tone-mapping-curve/
vec3 toneCurve(vec3 x) {
  return clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0);
}

// The colour of a pixel, and in alpha four times the standard error of its brightness, for denoise.glsl.
void main() {
  View view = camera();
  vec3 forward = normalize(view.target - view.eye);
  vec3 right = normalize(cross(forward, vec3(0, 1, 0)));
  vec3 up = cross(right, forward);
  float focus = distance(view.target, view.eye);
  vec3 sum = vec3(0);
  float squares = 0.0;
  for (int i = 0; i < samples; i++) {
    randomState = uint(gl_FragCoord.x) * 1973u + uint(gl_FragCoord.y) * 9277u + uint(i) * 26699u + 1u;
    random();
    vec2 at = gl_FragCoord.xy - 0.5 + vec2(random(), random());
    vec2 xy = (2.0 * at - resolution) / min(resolution.x, resolution.y);
    vec3 ahead = forward + (xy.x * right + xy.y * up) / view.zoom;
    vec2 lens = view.aperture * randomInDisc();
    vec3 shift = lens.x * right + lens.y * up;
    vec3 colour = toneCurve(view.exposure * trace(view.eye + shift, normalize(ahead - shift / focus), view));
    sum += colour;
    squares += dot(colour, colour) / 3.0;
  }
  vec3 mean = sum / float(samples);
  float variance = max(squares / float(samples) - dot(mean, mean) / 3.0, 0.0) / float(samples);
  float gamma = 1.0 / 2.2;
  float error = sqrt(variance) * gamma * pow(max(dot(mean, vec3(1.0 / 3.0)), 0.003), gamma - 1.0);
  pixel = vec4(pow(mean, vec3(gamma)), min(4.0 * error, 1.0));
}
