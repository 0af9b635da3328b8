namespace Monosemantic.Text;

/// <summary>What a corpus was, so that an artefact can say which text it came from.</summary>
/// <param name="Source">The keyword or the names of files and folders, without the folders they were in.</param>
/// <param name="Version">Version of the reference documentation, or null for other texts.</param>
/// <param name="Sha256">SHA-256 over all names and texts in order: see <see cref="CorpusHasher"/>.</param>
/// <param name="Documents">Number of documents.</param>
/// <param name="Characters">Number of UTF-16 characters of text, names not counted.</param>
public sealed record CorpusIdentity(string Source, string? Version, string Sha256, int Documents, long Characters);
