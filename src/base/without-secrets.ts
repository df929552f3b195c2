/** Cuts what may be a password out of a URL that people will read. Secret keys of S3 may well have a slash in them. */
export function withoutSecrets(url: string): string {
  return url.replace(/[?#].*$/s, "").replace(/(:\/\/).*@/s, "$1");
}
