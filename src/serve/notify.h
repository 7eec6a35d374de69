#pragma once
/* Telling the service manager how we stand, as sd_notify(3) does: one datagram to the socket that NOTIFY_SOCKET names.
 * Started from a shell or in a container there is none, and nothing happens.
 * Threads: main; it may block for as long as the manager does not read. */

/* "READY=1" once everybody is served, "RELOADING=1" and "READY=1" around a reload, "STOPPING=1" at the end. */
void notify_manager(const char *state);
