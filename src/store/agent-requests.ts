import type { ClientRequest, Agent as HttpAgent } from "node:http";

/** Libraries that make agents stand on it, and so does Node's own request, but the types do not have it. */
interface AgentInside {
  addRequest(request: ClientRequest, ...rest: readonly unknown[]): void;
}

/** Hears of each request when it is given to the agent, in the asynchronous context of whoever made it. */
export function eachRequest(agent: HttpAgent, listener: (request: ClientRequest) => void): void {
  const inside = agent as unknown as AgentInside;
  const addRequest = inside.addRequest.bind(agent);
  inside.addRequest = (request, ...rest) => {
    listener(request);
    addRequest(request, ...rest);
  };
}

/**
 * Ends the connection of a request that was answered before its body was out, as a refusal may be. Nobody waits for the
 * rest, and its owner may take the memory for something else as soon as the same bytes have been sent another way.
 */
export function cutWhenAnsweredEarly(agent: HttpAgent): void {
  eachRequest(agent, (request) => {
    request.once("response", (response) => {
      response.once("end", () => {
        if (!request.writableFinished) request.socket?.destroy();
      });
    });
  });
}
