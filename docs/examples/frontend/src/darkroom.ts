import { createDarkroom } from "@darkroom/client";
import { accessToken, config } from "./session.ts";

export const dr = createDarkroom({ baseUrl: config.apiUrl, token: accessToken });
