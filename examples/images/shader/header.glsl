#version 300 es
precision highp float;
precision highp int;

uniform vec2 resolution;
uniform int samples;
out vec4 pixel;

struct Material {
  vec3 colour;
  float gloss;      // share of light that is reflected when seen straight on; 0 is matt, 0.04 is glaze
  float roughness;  // of the reflection; 0 is a mirror
  vec3 glow;        // light of its own
  float opacity;
  bool metal;       // whether reflections have the colour of the surface
};

struct View {
  vec3 eye, target;
  float zoom;       // 1 shows 90 degrees of the shorter side
  float aperture;   // radius of the lens; the target is in focus
  vec3 sun, sunColour;
  vec3 hazeColour;
  float haze;       // share of light lost in a unit of length
  float exposure;
};

Material matt(vec3 colour) {
  return Material(colour, 0.0, 1.0, vec3(0), 1.0, false);
}

Material glossy(vec3 colour, float roughness) {
  return Material(colour, 0.04, roughness, vec3(0), 1.0, false);
}

Material metal(vec3 colour, float roughness) {
  return Material(colour, 0.85, roughness, vec3(0), 1.0, true);
}
