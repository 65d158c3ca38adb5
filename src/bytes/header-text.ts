const maxHeaderChars = 200;

/**
 * Encodes text for the value of an HTTP header, with encodeURIComponent; decodeURIComponent restores it. Longer text is
 * cut to its first 200 characters: ImageNet's longest label has 121. Unpaired surrogates become U+FFFD.
 */
export function encodeHeaderText(text: string): string {
  // A character has at most two code units.
  const characters = Array.from(text.slice(0, 2 * maxHeaderChars).toWellFormed());
  return encodeURIComponent(characters.slice(0, maxHeaderChars).join(""));
}

/** Formats a score for the header X-Image-Score: six decimals. */
export function formatScore(score: number): string {
  return score.toFixed(6);
}
