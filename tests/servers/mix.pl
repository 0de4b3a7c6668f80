# Perl: forks, pipes, sockets, hash order, files, clocks; every result checked.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

$| = 1;
my %words = map { ("word$_" => $_) } 1 .. 30;
print "hash order ", join(' ', keys %words), "\n";
print "time ", time(), " pid $$ rand ", rand(), "\n";

open(my $sort, '-|', 'printf "%s\n" c a b | sort') or die "pipe: $!";
chomp(my @sorted = <$sort>);
close $sort or die "sort: $?";
die "not sorted: @sorted" unless "@sorted" eq 'a b c';

my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "listen: $!";
my $port = $listener->sockport;
my @children;
for my $n (1 .. 4) {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        close $listener;
        sleep(0.005 * (5 - $n));
        my $peer = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
        print $peer "child $n is $$\n";
        my $answer = <$peer>;
        exit($answer eq "hello child $n is $$\n" ? $n : 99);
    }
    push @children, $pid;
}
for (1 .. 4) {
    my $peer = $listener->accept or die "accept: $!";
    my $line = <$peer>;
    print "from ", $peer->peerport, ": $line";
    print $peer "hello $line";
    close $peer;
}
my $sum = 0;
for my $pid (@children) { waitpid($pid, 0); $sum += $? >> 8; }
die "children: $sum" unless $sum == 10;

local $SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; select(undef, undef, undef, 30); };
die "no alarm: $@" unless $@ eq "alarm\n";

open(my $out, '>', 'lines') or die "open: $!";
printf $out "%d %s\n", $_, 'x' x $_ for 1 .. 500;
close $out;
open(my $in, '<', 'lines') or die "open: $!";
my $bytes = 0;
while (my $line = <$in>) { $bytes += length $line; }
print "bytes $bytes size ", -s 'lines', " mtime ", (stat 'lines')[9], "\n";
print "ok\n";
