import { CreditsInsufficient } from "@darkroom/client";
import { dr } from "./darkroom.ts";
import { confirmStory, quoteStory, regenerateClip, share } from "./make.ts";
import { enter } from "./session.ts";

const [email, password, photos] = document.querySelectorAll("input");
const status = document.body.appendChild(document.createElement("p"));
const say = (text: string) => (status.textContent = text);

function button(text: string, action: () => Promise<unknown>) {
  const made = Object.assign(document.createElement("button"), { textContent: text });
  made.onclick = () =>
    action().catch((error) =>
      say(error instanceof CreditsInsufficient ? `${error.shortfall} are missing` : error.message),
    );
  document.body.append(made);
}

async function show(jobId: string) {
  const stop = dr.jobs.watch({
    jobIds: [jobId],
    onJob: ({ progress }) => say(`${progress.percent} %`),
  });
  const { outputs, receipt } = await dr.jobs.wait(jobId).finally(stop);
  say(`${receipt.used} credits used, ${receipt.refunded} refunded`);
  const film = outputs.find(({ key }) => key === "film");
  const video = { src: film?.downloadUrl ?? "", controls: true, crossOrigin: "anonymous" };
  document.body.append(Object.assign(document.createElement("video"), video));
  button("Make clip 2 again for 1 credit", async () => show(await regenerateClip(jobId, 2)));
  button("Share", async () => say(await share(jobId)));
}

button("Sign in", async () =>
  say((await enter(email!.value, password!.value)).nextStep.signInStep),
);
button("What does a story cost?", async () => {
  const quote = await quoteStory(photos!.files!);
  say(`You have ${quote.balance} credits`);
  button(`Make it for ${quote.credits} credits`, async () => show(await confirmStory(quote)));
});
