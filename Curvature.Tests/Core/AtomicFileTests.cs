using System.Diagnostics;
using Xunit;

namespace Curvature.Tests.Core;

public class AtomicFileTests
{
    [Fact]
    public void Creates_the_folder_and_replaces_an_earlier_file()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("a/b/file.txt");
        AtomicFile.WriteText(path, "first");
        AtomicFile.WriteText(path, "λ");
        Assert.Equal([0xCE, 0xBB], File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(folder.File("a/b")));
    }

    [Fact]
    public void What_a_process_that_was_killed_has_left_of_a_file_goes_with_the_next_writing_and_nothing_that_one_at_work_still_writes()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("file.txt"), other = folder.Write(".other.txt.abcdefgh.ijk.tmp", "of another file");
        File.SetLastWriteTimeUtc(other, DateTime.UnixEpoch);
        using Process writing = Process.Start(new ProcessStartInfo("dotnet", [typeof(AtomicFileTests).Assembly.Location, "write", path]) { RedirectStandardOutput = true })!;
        Assert.Equal("half of it is written", writing.StandardOutput.ReadLine());
        string half = Assert.Single(folder.Entries(), name => name != other);
        File.SetLastWriteTimeUtc(half, DateTime.UnixEpoch);
        AtomicFile.WriteText(path, "whole");
        Assert.True(File.Exists(half)); // at work

        writing.Kill();
        writing.WaitForExit();
        File.SetLastWriteTimeUtc(half, DateTime.UtcNow);
        AtomicFile.WriteText(path, "whole");
        Assert.True(File.Exists(half)); // perhaps of one that renames it in a moment

        File.SetLastWriteTimeUtc(half, DateTime.UnixEpoch);
        AtomicFile.WriteText(path, "whole");
        Assert.Equal([other, path], folder.Entries());
    }

    [Fact]
    public void One_file_in_use_keeps_nothing_else_and_a_set_that_is_being_written_loses_nothing_to_another_process()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("file.txt"), used = folder.Write(".file.txt.aaaaaaaa.aaa.tmp", "in use"), left = folder.Write(".file.txt.zzzzzzzz.zzz.tmp", "left");
        using (new FileStream(used, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            File.SetLastWriteTimeUtc(used, DateTime.UnixEpoch);
            File.SetLastWriteTimeUtc(left, DateTime.UnixEpoch);
            AtomicFile.WriteText(path, "whole");
        }

        Assert.Equal([used, path], folder.Entries());
        File.Delete(used);

        // another process, by what it looks at: the first of the set is written and its time is old
        AtomicFile.WriteAll([(path, AtomicFile.Text("of the set")), (folder.File("other.txt"), stream =>
        {
            File.SetLastWriteTimeUtc(folder.Entries().Single(name => name.EndsWith(".tmp", StringComparison.Ordinal) && name.Contains(".file.txt.", StringComparison.Ordinal)), DateTime.UnixEpoch);
            AtomicFile.WriteText(path, "of another");
        })]);
        Assert.Equal("of the set", File.ReadAllText(path));
    }

    /// <summary>What the process that is killed half way does.</summary>
    internal static int Write(string file)
    {
        AtomicFile.Write(file, stream =>
        {
            stream.Write(new byte[1 << 20]);
            stream.Flush();
            Console.WriteLine("half of it is written");
            Thread.Sleep(TimeSpan.FromMinutes(2));
        });
        return 0;
    }

    [Fact]
    public void Leaves_nothing_and_keeps_the_earlier_file_when_writing_fails()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("file.txt", "earlier");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.Equal("earlier", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.File(".")));
    }

    [Fact]
    public void Renames_no_file_of_a_set_before_all_are_written()
    {
        using var folder = new TemporaryFolder();
        string first = folder.Write("first", "earlier");
        Assert.Throws<CurvatureException>(() => AtomicFile.WriteAll([(first, AtomicFile.Text("new")), (folder.File("first/second"), AtomicFile.Text("x"))]));
        Assert.Equal("earlier", File.ReadAllText(first));
        Assert.Single(Directory.GetFiles(folder.File(".")));
    }

    [Fact]
    public void Stops_before_renaming_when_cancelled_while_writing()
    {
        using var folder = new TemporaryFolder();
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => AtomicFile.WriteAll([(folder.File("file"), _ => source.Cancel())], source.Token));
        Assert.Empty(Directory.GetFiles(folder.File(".")));
    }

    [Fact]
    public void Says_that_a_folder_is_in_the_place_of_the_file()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<CurvatureException>(() => AtomicFile.WriteText(folder.File("."), "x"));
        Assert.Contains("a folder of that name is in its place", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/proc/vectors.npz", "nothing can be created there")]
    [InlineData("/dev/null/vectors.npz", "'/dev/null'")]
    public void Names_the_file_that_was_asked_for_and_not_its_temporary_name(string path, string reason)
    {
        foreach (Action write in (Action[])[() => AtomicFile.WriteText(path, "x"), () => AtomicFile.CheckFolder(Path.GetDirectoryName(path)!)])
        {
            string message = Assert.Throws<CurvatureException>(write).Message;
            Assert.DoesNotContain(".tmp", message, StringComparison.Ordinal);
            Assert.Contains(Path.GetDirectoryName(path)!, message, StringComparison.Ordinal);
        }

        Assert.Contains(reason, Assert.Throws<CurvatureException>(() => AtomicFile.CheckFolder(Path.GetDirectoryName(path)!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_too_long_is_said_to_be()
    {
        using var folder = new TemporaryFolder();
        string message = Assert.Throws<CurvatureException>(() => AtomicFile.WriteText(folder.File(new string('x', 250)), "x")).Message;
        Assert.Contains("too long", message, StringComparison.Ordinal);
        Assert.DoesNotContain(".tmp", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(28, "the disk is full")]
    [InlineData(30, "the file system is read-only")]
    [InlineData(13, "permission denied")]
    public void Says_why_the_system_refused(int errno, string reason)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<CurvatureException>(() => AtomicFile.Write(folder.File("file"), _ => throw new IOException("raw", errno)));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.File("file"), error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.File(".")));
    }

    [Fact]
    public void Names_a_folder_that_cannot_exist() =>
        Assert.StartsWith("Cannot write '/proc/curvature/file'", Assert.Throws<CurvatureException>(() => AtomicFile.WriteText("/proc/curvature/file", "x")).Message, StringComparison.Ordinal);
}
