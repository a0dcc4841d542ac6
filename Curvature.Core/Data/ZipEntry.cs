namespace Curvature.Data;

/// <summary>One file of a zip archive, as its central directory and its local header agree on it.</summary>
/// <param name="Name">Path inside the archive.</param>
/// <param name="Deflated">Compressed with deflate; otherwise stored as it is.</param>
/// <param name="Crc">CRC-32 of the contents.</param>
/// <param name="CompressedLength">Bytes in the archive.</param>
/// <param name="Length">Bytes of the contents.</param>
/// <param name="HeaderOffset">Where the local header starts.</param>
/// <param name="DataOffset">Where the data start.</param>
internal sealed record ZipEntry(
    string Name, bool Deflated, uint Crc, long CompressedLength, long Length, long HeaderOffset, long DataOffset);
