import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { findAccount } from "../../../src/store/azure/azure-account.ts";
import { parseObjectUrl } from "../../../src/store/object-url.ts";

const KEY = "c2VjcmV0LWNhbmFyeS1vZi10aGUtYWNjb3VudA==";
const find = (options: object) => findAccount(parseObjectUrl("az://acct/box/run", options));

describe("azure: the account that a URL names", () => {
  it.each([
    [{}, "https://acct.blob.core.windows.net"],
    [{ endpoint: "https://acct.blob.core.chinacloudapi.cn/" }, "https://acct.blob.core.chinacloudapi.cn"],
    [{ endpoint: "https://blobs.example.org:8443" }, "https://blobs.example.org:8443/acct"],
    [{ endpoint: "https://blobs.example.org/acct/" }, "https://blobs.example.org/acct"],
  ])("with %j is at %s, let in by the chain", (options, serviceUrl) => {
    expect(find(options)).toEqual({ serviceUrl, access: { kind: "chain" } });
  });

  it.each([
    [`AccountName=acct;AccountKey=${KEY}`, "https://acct.blob.core.windows.net"],
    [
      `DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=${KEY};EndpointSuffix=example.org`,
      "http://acct.blob.example.org",
    ],
    [`AccountName=acct;AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:7/acct;`, "http://127.0.0.1:7/acct"],
  ])("with a connection string is where that says, let in by its key", (connectionString, serviceUrl) => {
    const access = { kind: "key", account: "acct", key: KEY };
    expect(find({ connectionString })).toEqual({ serviceUrl, access });
    expect(find({ connectionString, endpoint: "http://127.0.0.1:9" }).serviceUrl).toBe("http://127.0.0.1:9/acct");
  });

  it("takes a shared access signature, also where only the endpoint names the account", () => {
    const connectionString = "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=a%3D=";
    expect(find({ connectionString })).toEqual({
      serviceUrl: "https://acct.blob.core.windows.net",
      access: { kind: "signature", query: "sv=1&sig=a%3D=" },
    });
  });

  it.each([
    [{ connectionString: `AccountName=other;AccountKey=${KEY}` }, /az:\/\/other\/….*"acct"/],
    [{ connectionString: KEY }, /none of these parts/],
    [{ connectionString: `AccountKey=${KEY}` }, /got "AccountKey"/],
    [{ connectionString: `AccountName=acct;AccountKey=${KEY};BlobEndpoint=http://u:${KEY}@host` }, /without query/],
    [{ endpoint: "http://127.0.0.1:10000" }, /https:\/\/host.*127\.0\.0\.1/],
    [{ endpoint: "ftp://host" }, /http:\/\/host:port/],
    [{ endpoint: "host" }, /http:\/\/host:port/],
  ])("refuses what cannot be right, without showing the key", (options, message) => {
    const error = (() => {
      try {
        return find(options);
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error).toMatchObject({ code: "VARVE_INVALID_ARGUMENT", message: expect.stringMatching(message) });
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain(KEY);
  });
});
