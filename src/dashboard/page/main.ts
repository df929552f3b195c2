import { browserTime } from "./browser-time.ts";
import { DashboardPage } from "./dashboard-page.ts";

const [header, shown] = [document.querySelector<HTMLElement>("#runs"), document.querySelector<HTMLElement>("#shown")];
if (header !== null && shown !== null) await new DashboardPage(browserTime, header, shown).run();
