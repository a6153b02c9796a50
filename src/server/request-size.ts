/** What a request holds beside its body: objects of the request, the socket's share, the input. An estimate, in bytes. */
export const requestOverhead = 4096;
