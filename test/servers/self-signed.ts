import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** A key and a certificate that vouches for itself, as PEM. */
export interface SelfSigned {
  readonly key: string;
  readonly cert: string;
}

/** Makes a certificate for servers of these names or IPv4 addresses on this machine, good for all time. */
export function selfSigned(...names: readonly string[]): SelfSigned {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const name = sequence(tagged(0x31, sequence(oid("2.5.4.3"), tagged(0x0c, Buffer.from("varve test")))));
  const signedBy = sequence(oid(ECDSA_WITH_SHA256));
  const altNames = sequence(
    ...names.map((each) =>
      isIPv4(each) ? tagged(0x87, Buffer.from(each.split(".").map(Number))) : tagged(0x82, Buffer.from(each)),
    ),
  );
  const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), tagged(0x04, value));
  const isAuthority = sequence(tagged(0x01, Buffer.of(0xff)));
  const certificate = sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))),
    tagged(0x02, Buffer.of(1)),
    signedBy,
    name,
    sequence(tagged(0x18, Buffer.from("20000101000000Z")), tagged(0x18, Buffer.from("99991231235959Z"))),
    name,
    publicKey,
    tagged(0xa3, sequence(extension("2.5.29.17", altNames), extension("2.5.29.19", isAuthority))),
  );
  const signature = sign("sha256", certificate, privateKey);
  const whole = sequence(certificate, signedBy, tagged(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = whole.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** DER: a tag, a length, a value. */
function tagged(tag: number, value: Buffer): Buffer {
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 255];
  return Buffer.concat([Buffer.of(tag, ...length), value]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((part) => {
    const digits = [part & 127];
    for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 127) | 128);
    return digits;
  });
  return tagged(0x06, Buffer.of(40 * first + second, ...bytes));
}
